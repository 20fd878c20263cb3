//! The files of views.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    View, ViewError, ViewKind, ViewState,
    definition::{Definitions, Origin},
};

/// The text of each file, by its name.
pub(super) type Texts = BTreeMap<String, String>;

/// What stands in the files of a directory.
#[derive(Clone, Debug, Default)]
pub struct ViewFiles {
    pub(super) texts: Texts,
    /// In order of file.
    pub(super) definitions: Definitions,
}

impl ViewFiles {
    /// Reads every `*.sql` of a directory; none without a directory. A file that is wrong becomes a failed
    /// view; only a directory or file that cannot be read at all is an error.
    pub fn load(directory: Option<&Path>) -> Result<Self, ViewError> {
        directory.map_or_else(|| Ok(Self::default()), |directory| Ok(Self::parse(read(directory)?)))
    }

    /// The same from `(file, text)`.
    pub fn parse(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let texts: Texts = files.into_iter().collect();
        let mut definitions = Definitions::default();
        for (file, text) in &texts {
            if let Err(error) = definitions.parse(&Origin::File(file.clone()), text) {
                definitions.refused.push(unreadable(file, text, error.to_string()));
            }
        }
        refuse_doubles(&mut definitions);
        Self { texts, definitions }
    }

    /// The files that are not there in the same way in `other`.
    pub(super) fn changed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = |(file, text): &(&String, &String)| other.texts.get(*file) != Some(*text);
        self.texts.iter().filter(changed).map(|(file, _)| file.as_str())
    }
}

/// Every `*.sql` of a directory.
pub(super) fn read(directory: &Path) -> Result<Texts, ViewError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| ViewError { path, reason: error.to_string() }
    };
    let entries = fs::read_dir(directory).map_err(wrong(directory))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(wrong(directory))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    let mut texts = Texts::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(wrong(&path))?;
        texts.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text);
    }
    Ok(texts)
}

/// Neither of two of one name: which was meant cannot be known.
fn refuse_doubles(definitions: &mut Definitions) {
    let mut files = BTreeMap::<String, Vec<String>>::new();
    for name in definitions.names() {
        files.entry(name.to_owned()).or_default();
    }
    for (name, files) in &mut files {
        let views = definitions.views.iter().filter(|definition| definition.view.name == *name);
        let indexes = definitions.indexes.iter().filter(|index| index.index.name == *name);
        let origins = views.map(|view| &view.origin).chain(indexes.map(|index| &index.origin));
        files.extend(origins.map(|origin| origin.file().to_owned()));
    }
    definitions.refuse(|name, _| {
        let files = files.get(name).filter(|files| files.len() > 1)?;
        Some(format!("is defined more than once, in {}: give each a name of its own", files.join(", ")))
    });
}

fn unreadable(file: &str, sql: &str, reason: String) -> View {
    let origin = Origin::File(file.to_owned());
    let name = file.strip_suffix(".sql").unwrap_or(file);
    let reason = origin.reason(reason);
    View::new(name, ViewKind::Unspecified, &origin, sql.to_owned(), ViewState::Failed, reason)
}
