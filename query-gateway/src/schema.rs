//! What a source publishes, as tables: learned from its descriptors and options alone.
//!
//! One published entity becomes one table, and each repeated message in it, however deep, a child table
//! whose key begins with its parent's. What has no columns of its own (maps, repeated scalars, messages
//! within themselves, well-known types but timestamps and wrappers) is one column of JSON, in the proto3
//! mapping with its keys sorted.

mod decode;
mod draft;
mod evolve;
#[cfg(test)]
pub(crate) mod fixture;
mod json;
mod learn;
mod options;
mod shape;
mod signature;
mod value;

use std::{collections::BTreeMap, sync::Arc};

use tributary_proto::feed::v1::DescribeResponse;

pub use decode::Undecodable;
pub use evolve::Change;
pub use value::{Image, Row, Value};

use crate::catalog::{Catalog, Column, Kind, Relation};

/// Everything that one source publishes.
#[derive(Debug)]
pub struct Schema {
    /// As given by `--source`.
    pub source: String,
    /// In order of name.
    pub entities: Vec<Arc<Entity>>,
}

/// A published entity: its tables, and how its messages become their rows.
#[derive(Debug)]
pub struct Entity {
    /// As changes name it.
    pub name: String,
    /// Full name of the published message.
    pub message: String,
    /// The entity's own table first; each parent before its children.
    pub tables: Vec<Table>,
    shape: shape::Shape,
}

/// A base table.
#[derive(Debug)]
pub struct Table {
    /// As queries see it.
    pub relation: Arc<Relation>,
    /// For a child: the place of its parent in [`Entity::tables`].
    pub parent: Option<usize>,
    /// Places of the key columns in a row, in order of the key.
    pub key: Vec<usize>,
    /// For each column, what it is filled from.
    pub(crate) origins: Vec<Origin>,
}

/// What a column is filled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Path of the field in the entity's message.
    pub(crate) field: String,
    /// Tells whether the values can have changed although name and type of the column did not.
    pub(crate) signature: String,
}

/// A schema that cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// What was received is no descriptor set, or lacks a message.
    #[error("the descriptors of {source_name} cannot be used: {why}")]
    Descriptors {
        /// The source.
        source_name: String,
        /// What is wrong.
        why: String,
    },
    /// A message or field cannot become a table or column.
    #[error("entity `{entity}`, {what}: {why}")]
    Entity {
        /// The entity.
        entity: String,
        /// The message or field.
        what: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A table of that name exists.
    #[error(
        "table `{table}` of `{ours}` is there already: {theirs}; rename one of them by (tributary.options.v1.entity).table or (tributary.options.v1.field).name"
    )]
    Taken {
        /// The name.
        table: String,
        /// Who wants it.
        ours: String,
        /// Who has it.
        theirs: String,
    },
    /// The schema does not contain the one before.
    #[error(
        "the schema of entity `{entity}` changed and rows cannot be carried over: {what}; if that is meant, restart with --resnapshot {source_name}"
    )]
    Incompatible {
        /// The source.
        source_name: String,
        /// The entity.
        entity: String,
        /// Which field, and how.
        what: String,
    },
}

impl Schema {
    /// Learns the schema of `source` from what it says of itself.
    pub fn learn(source: &str, described: &DescribeResponse) -> Result<Self, SchemaError> {
        let entities = learn::entities(source, described)?;
        let schema = Self { source: source.to_owned(), entities };
        schema.check_tables()?;
        Ok(schema)
    }

    /// The entity that changes name so, with its place.
    pub fn entity(&self, name: &str) -> Option<(usize, &Arc<Entity>)> {
        let place = self.entities.binary_search_by(|entity| entity.name.as_str().cmp(name)).ok()?;
        Some((place, &self.entities[place]))
    }

    /// Every table.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.entities.iter().flat_map(|entity| &entity.tables)
    }

    /// Every table, as queries see it.
    pub fn relations(&self) -> impl Iterator<Item = Arc<Relation>> {
        self.tables().map(|table| table.relation.clone())
    }

    /// Refuses a table whose name another source or a view has.
    pub fn check_against(&self, catalog: &Catalog) -> Result<(), SchemaError> {
        for table in self.tables() {
            let theirs = match catalog.get(table.name()).map(|relation| &relation.kind) {
                Some(Kind::Base { source, entity, .. }) if *source != self.source => {
                    format!("it belongs to entity `{entity}` of source `{source}`")
                }
                Some(Kind::View { .. } | Kind::Materialized { .. }) => "it is a view".to_owned(),
                _ => continue,
            };
            return Err(SchemaError::Taken {
                table: table.name().to_owned(),
                ours: self.source.clone(),
                theirs,
            });
        }
        Ok(())
    }

    /// Refuses two tables of one name within this source.
    fn check_tables(&self) -> Result<(), SchemaError> {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for entity in &self.entities {
            for table in &entity.tables {
                if let Some(other) = owners.insert(table.name(), &entity.message) {
                    return Err(SchemaError::Taken {
                        table: table.name().to_owned(),
                        ours: entity.message.clone(),
                        theirs: format!("it belongs to `{other}`"),
                    });
                }
            }
        }
        Ok(())
    }
}

impl Table {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.relation.name
    }

    /// Its columns, in the order of a row.
    pub fn columns(&self) -> &[Column] {
        &self.relation.columns
    }
}

#[cfg(test)]
mod tests;
