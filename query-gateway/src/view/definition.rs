//! What defines views and indexes: the files of a directory, and calls of CreateView.

use std::collections::BTreeMap;

use super::{View, ViewKind, ViewState};
use crate::sql::{self, IndexDefinition, SqlError, ViewDefinition};

/// Where a definition stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// In a file of this name.
    File(String),
    /// In a call of CreateView.
    Api,
}

impl Origin {
    /// Name of the file; empty if it stands in none.
    pub(super) fn file(&self) -> &str {
        match self {
            Origin::File(file) => file,
            Origin::Api => "",
        }
    }

    /// From [`Origin::file`].
    pub(super) fn of(file: String) -> Self {
        if file.is_empty() { Origin::Api } else { Origin::File(file) }
    }

    /// What is wrong with something, with where that stands.
    pub(super) fn reason(&self, reason: impl std::fmt::Display) -> String {
        match self {
            Origin::File(file) => format!("{file}: {reason}"),
            Origin::Api => reason.to_string(),
        }
    }

    /// For people.
    pub(super) fn place(&self) -> String {
        match self {
            Origin::File(file) => format!("file {file}"),
            Origin::Api => "CreateView".to_owned(),
        }
    }
}

/// A view, and where it is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) origin: Origin,
    pub(super) view: ViewDefinition,
}

/// An index, and where it is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) origin: Origin,
    pub(super) index: IndexDefinition,
}

impl Definition {
    /// The view in some state.
    pub(super) fn as_view(&self, state: ViewState, reason: String) -> View {
        let Self { origin, view } = self;
        let kind = if view.materialized { ViewKind::Materialized } else { ViewKind::Computed };
        View::new(&view.name, kind, origin, view.select_sql.clone(), state, reason)
    }
}

impl Index {
    /// The index in some state.
    pub(super) fn as_view(&self, state: ViewState, reason: String) -> View {
        let Self { origin, index } = self;
        View::new(&index.name, ViewKind::Index, origin, index.to_string(), state, reason)
    }
}

/// Views and indexes.
#[derive(Clone, Debug, Default)]
pub(super) struct Definitions {
    /// Each under a name of its own.
    pub(super) views: Vec<Definition>,
    /// Each under a name of its own, that no view has either.
    pub(super) indexes: Vec<Index>,
    /// What is wrong whatever the tables are.
    pub(super) refused: Vec<View>,
}

impl Definitions {
    /// Adds what stands in a text.
    pub(super) fn parse(&mut self, origin: &Origin, text: &str) -> Result<(), SqlError> {
        let file = sql::parse_views(text)?;
        let origin = || origin.clone();
        self.views.extend(file.views.into_iter().map(|view| Definition { origin: origin(), view }));
        self.indexes.extend(file.indexes.into_iter().map(|index| Index { origin: origin(), index }));
        Ok(())
    }

    /// The view of that name.
    pub(super) fn view(&self, name: &str) -> Option<&Definition> {
        self.views.iter().find(|definition| definition.view.name == name)
    }

    /// The index of that name.
    pub(super) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.index.name == name)
    }

    /// Where the view or index of that name is defined.
    pub(super) fn origin(&self, name: &str) -> Option<&Origin> {
        let view = self.view(name).map(|definition| &definition.origin);
        view.or_else(|| self.index(name).map(|index| &index.origin))
    }

    /// Names of views and indexes.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let views = self.views.iter().map(|definition| definition.view.name.as_str());
        views.chain(self.indexes.iter().map(|index| index.index.name.as_str()))
    }

    /// Views whose text names that relation.
    pub(super) fn readers(&self, relation: &str) -> Vec<&Definition> {
        let reads = |definition: &&Definition| {
            definition.view.name != relation && definition.view.names.contains(relation)
        };
        self.views.iter().filter(reads).collect()
    }

    /// Removes the views and indexes that are wrong in themselves.
    pub(super) fn refuse(&mut self, why: impl Fn(&str, &Origin) -> Option<String>) {
        for definition in std::mem::take(&mut self.views) {
            match why(&definition.view.name, &definition.origin) {
                Some(reason) => self.refused.push(definition.as_view(ViewState::Failed, reason)),
                None => self.views.push(definition),
            }
        }
        for index in std::mem::take(&mut self.indexes) {
            match why(&index.index.name, &index.origin) {
                Some(reason) => self.refused.push(index.as_view(ViewState::Failed, reason)),
                None => self.indexes.push(index),
            }
        }
    }

    /// Together with those of files, which may not take a name.
    pub(super) fn with_files(&self, files: &Definitions) -> Self {
        let mut files = files.clone();
        files.refuse(|name, _| {
            self.origin(name).map(|_| {
                "has the name of what CreateView created: drop that, or choose another name".to_owned()
            })
        });
        Self {
            views: self.views.iter().cloned().chain(files.views).collect(),
            indexes: self.indexes.iter().cloned().chain(files.indexes).collect(),
            refused: self.refused.iter().cloned().chain(files.refused).collect(),
        }
    }
}

/// By which definition each view was last as it should be, by name: what goes on when a later one cannot be.
pub(super) type Served = BTreeMap<String, Definition>;
