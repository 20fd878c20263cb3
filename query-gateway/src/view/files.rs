//! The files of views.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{View, ViewError, ViewState};
use crate::sql::{self, ViewDefinition};

/// What stands in the files of a directory, in order of file.
#[derive(Clone, Debug, Default)]
pub struct ViewFiles {
    /// Each under a name of its own.
    pub(super) definitions: Vec<Definition>,
    /// What is wrong whatever the tables are.
    pub(super) refused: Vec<View>,
}

/// A view as its file defines it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) file: String,
    pub(super) view: ViewDefinition,
}

impl Definition {
    /// The view in some state.
    pub(super) fn as_view(&self, state: ViewState, reason: String) -> View {
        let Self { file, view } = self;
        let (name, sql) = (view.name.clone(), view.select_sql.clone());
        View { name, file: file.clone(), sql, state, reason, columns: Vec::new() }
    }
}

impl ViewFiles {
    /// Reads every `*.sql` of a directory; none without a directory. A file that is wrong becomes a failed
    /// view; only a directory or file that cannot be read at all is an error.
    pub fn load(directory: Option<&Path>) -> Result<Self, ViewError> {
        let Some(directory) = directory else { return Ok(Self::default()) };
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| ViewError { path, reason: error.to_string() }
        };
        let entries = fs::read_dir(directory).map_err(wrong(directory))?;
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(wrong(directory))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let text = fs::read_to_string(&path).map_err(wrong(&path))?;
            files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
        }
        Ok(Self::parse(files))
    }

    /// The same from `(file, text)`.
    pub fn parse(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut parsed = Self::default();
        for (file, text) in files {
            match sql::parse_views(&text) {
                Ok(views) => {
                    let definitions = views.into_iter().map(|view| Definition { file: file.clone(), view });
                    parsed.definitions.extend(definitions);
                }
                Err(error) => parsed.refused.push(unreadable(file, text, error.to_string())),
            }
        }
        parsed.refuse_doubles();
        parsed
    }

    /// Neither of two views of one name: which was meant cannot be known.
    fn refuse_doubles(&mut self) {
        let mut files = BTreeMap::<String, Vec<String>>::new();
        for Definition { file, view } in &self.definitions {
            files.entry(view.name.clone()).or_default().push(file.clone());
        }
        self.refuse(|definition| {
            let files = &files[&definition.view.name];
            (files.len() > 1).then(|| {
                format!(
                    "is defined more than once, in {}: give each view a name of its own",
                    files.join(", ")
                )
            })
        });
    }

    fn refuse(&mut self, why: impl Fn(&Definition) -> Option<String>) {
        for definition in std::mem::take(&mut self.definitions) {
            match why(&definition) {
                Some(reason) => self.refused.push(definition.as_view(ViewState::Failed, reason)),
                None => self.definitions.push(definition),
            }
        }
    }
}

fn unreadable(file: String, sql: String, reason: String) -> View {
    let name = file.strip_suffix(".sql").unwrap_or(&file).to_owned();
    let reason = format!("{file}: {reason}");
    View { name, file, sql, state: ViewState::Failed, reason, columns: Vec::new() }
}
