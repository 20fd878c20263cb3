//! A table while it is being learned.

use std::sync::Arc;

use super::{Origin, Table};
use crate::catalog::{Column, Kind, Relation};

/// A table has at most this many columns: half of what SQLite can have.
const MAX_COLUMNS: usize = 1_000;

/// Tells rows of one parent apart that have no key of their own; also the signature of such a column.
pub(super) const ORDINAL: &str = "ordinal";

pub(super) struct Draft {
    pub(super) name: String,
    pub(super) parent: Option<usize>,
    /// Of the repeated message, from the entity's message down.
    path: String,
    /// Whole, its parent's in front; known before the columns are.
    pub(super) key: Vec<(Column, Origin)>,
    columns: Vec<Column>,
    origins: Vec<Origin>,
}

impl Draft {
    pub(super) fn new(name: String, parent: Option<usize>, path: &str) -> Self {
        Self {
            name,
            parent,
            path: path.to_owned(),
            key: Vec::new(),
            columns: Vec::new(),
            origins: Vec::new(),
        }
    }

    /// What the keys of its children begin with. Its ordinal has the name of its field in front there, since
    /// they have one of their own.
    pub(super) fn inherited_key(&self) -> Vec<(Column, Origin)> {
        let mut key = self.key.clone();
        for (column, _) in
            key.iter_mut().filter(|(column, origin)| column.name == ORDINAL && origin.signature == ORDINAL)
        {
            column.name = format!("{}_{ORDINAL}", self.path.replace('.', "_").to_ascii_lowercase());
        }
        key
    }

    /// Adds a column and tells its place, or why it cannot be one.
    pub(super) fn push(&mut self, column: Column, origin: Origin) -> Result<usize, String> {
        let name = &column.name;
        if !is_name(name) {
            return Err(format!(
                "`{name}` cannot be the name of a column: use [a-z][a-z0-9_]{{0,62}}, by (tributary.options.v1.field).name"
            ));
        }
        if let Some(place) = self.columns.iter().position(|other| other.name == *name) {
            let (ours, theirs) = (&origin.field, &self.origins[place].field);
            return Err(format!(
                "`{ours}` and `{theirs}` would both be column `{name}` of table `{}`; rename one by (tributary.options.v1.field).name",
                self.name
            ));
        }
        if self.columns.len() == MAX_COLUMNS {
            return Err(format!(
                "table `{}` would have more than {MAX_COLUMNS} columns; skip some",
                self.name
            ));
        }
        self.columns.push(column);
        self.origins.push(origin);
        Ok(self.columns.len() - 1)
    }

    /// The table; `names` are those of all tables of the entity.
    pub(super) fn finish(self, source: &str, entity: &str, names: &[String]) -> Table {
        let Self { name, parent, key, columns, origins, .. } = self;
        let key: Vec<_> = key.into_iter().map(|(column, _)| column.name).collect();
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let slots = key.iter().filter_map(place).collect();
        let kind = Kind::Base {
            source: source.to_owned(),
            entity: entity.to_owned(),
            parent: parent.map(|parent| names[parent].clone()),
        };
        Table { relation: Arc::new(Relation { name, columns, key, kind }), parent, key: slots, origins }
    }
}

/// `[a-z][a-z0-9_]{0,62}`: needs no quotes, and no `_` in front, which is for our own names.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 63 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
}
