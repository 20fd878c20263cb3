//! What can be queried: the relations with their columns and types, as one immutable snapshot that is
//! swapped whole when a source or a view changes.

mod stored;

use std::{collections::BTreeMap, fmt, sync::Arc};

pub(crate) use self::stored::StoredColumn;
use crate::sql::{Dialect, types::Ty};

/// The type of a column or expression, in PostgreSQL's sense; `Display` gives PostgreSQL's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Stored as INTEGER 0 or 1.
    Bool,
    /// Stored as INTEGER.
    Bigint,
    /// Stored as REAL.
    Double,
    /// Exact decimal; arises in expressions alone, no column is stored as it.
    Numeric,
    /// Stored as TEXT, in binary order.
    Text,
    /// Stored as BLOB.
    Bytea,
    /// Stored as INTEGER: microseconds since 1970, UTC.
    Timestamptz,
    /// Arises in expressions alone.
    Interval,
    /// Stored as TEXT.
    Jsonb,
}

#[cfg(test)]
impl Type {
    /// Each of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Bool,
        Self::Bigint,
        Self::Double,
        Self::Numeric,
        Self::Text,
        Self::Bytea,
        Self::Timestamptz,
        Self::Interval,
        Self::Jsonb,
    ];
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "boolean",
            Type::Bigint => "bigint",
            Type::Double => "double precision",
            Type::Numeric => "numeric",
            Type::Text => "text",
            Type::Bytea => "bytea",
            Type::Timestamptz => "timestamptz",
            Type::Interval => "interval",
            Type::Jsonb => "jsonb",
        })
    }
}

/// A column of a relation or of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Lower case, as an unquoted name in SQL.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether it can be NULL.
    pub nullable: bool,
}

/// Where the rows of a relation come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table that the gateway fills from a source.
    Base {
        /// As given by `--source`.
        source: String,
        /// The published entity.
        entity: String,
        /// For the rows of a repeated message: the table of the message around it.
        parent: Option<String>,
    },
    /// Defined by SQL over other relations, and computed when it is read.
    View {
        /// Of its columns within a statement: they tell more than the types that users see.
        types: Vec<Ty>,
    },
    /// Defined by SQL over other relations, and kept.
    Materialized {
        /// Of its columns within a statement, and behind them of the hidden ones.
        types: Vec<Ty>,
        /// What identifies its rows besides columns that are shown.
        hidden: Vec<Column>,
    },
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Unique in the catalog.
    pub name: String,
    /// In the order of `SELECT *`; columns of the gateway's own are not among them.
    pub columns: Vec<Column>,
    /// Names of the columns that identify a row; empty for a view that is computed when it is read.
    pub key: Vec<String>,
    /// Where its rows come from.
    pub kind: Kind,
}

impl Relation {
    /// A view that is computed when it is read.
    pub fn view(name: &str, columns: Vec<Column>, types: Vec<Ty>) -> Self {
        Self { name: name.to_owned(), columns, key: Vec::new(), kind: Kind::View { types } }
    }

    /// The column of that name, if there is one.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns with their types within a statement.
    pub fn fields(&self) -> impl Iterator<Item = (&Column, Ty)> {
        self.all().take(self.columns.len())
    }

    /// The columns that identify a row, those among them that are not shown too.
    pub fn key_columns(&self) -> impl Iterator<Item = (&Column, Ty)> {
        self.key.iter().filter_map(|name| self.all().find(|(column, _)| column.name == *name))
    }

    fn all(&self) -> impl Iterator<Item = (&Column, Ty)> {
        let (types, hidden): (&[Ty], &[Column]) = match &self.kind {
            Kind::Materialized { types, hidden } => (types, hidden),
            Kind::View { types } => (types, &[]),
            Kind::Base { .. } => (&[], &[]),
        };
        let columns = self.columns.iter().chain(hidden).enumerate();
        columns.map(|(at, column)| (column, types.get(at).copied().unwrap_or(column.ty.into())))
    }
}

/// Every relation by name. Immutable: whoever holds one sees one state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By name.
    pub relations: BTreeMap<String, Arc<Relation>>,
    /// In which the store is asked that has them.
    pub dialect: Dialect,
    /// Which one it is of those that the store had, in their order. In a file it is always 0: there, one process knows.
    pub(crate) layout: i64,
}

impl Catalog {
    /// Of a store that is asked in that dialect and has no relations.
    pub fn of(dialect: Dialect) -> Self {
        Self { relations: BTreeMap::new(), dialect, layout: 0 }
    }

    /// The relation of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(name)
    }

    /// The same without the relations that `drop` names, and with `add`.
    pub fn with(
        &self,
        drop: impl Fn(&Relation) -> bool,
        add: impl IntoIterator<Item = Arc<Relation>>,
    ) -> Self {
        let kept = self.relations.values().filter(|relation| !drop(relation)).cloned();
        let relations = kept.chain(add).map(|relation| (relation.name.clone(), relation)).collect();
        Self { relations, dialect: self.dialect, layout: self.layout }
    }
}
