//! The catalog as it is kept in a store that several gateways share: who answers has it from whoever changed it.
//!
//! Numbers only grow, as in every message that is kept.

use std::sync::Arc;

use prost::Message;

use super::{Catalog, Column, Kind, Relation};
use crate::sql::{Dialect, types::Ty};

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(message, repeated, tag = "1")]
    relations: Vec<StoredRelation>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredRelation {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    columns: Vec<StoredColumn>,
    #[prost(string, repeated, tag = "3")]
    key: Vec<String>,
    /// Of a table.
    #[prost(message, optional, tag = "4")]
    base: Option<StoredBase>,
    /// Of a view: the place of each in [`TYPES`].
    #[prost(uint32, repeated, tag = "5")]
    types: Vec<u32>,
    /// Of a view that is kept.
    #[prost(bool, tag = "6")]
    materialized: bool,
    #[prost(message, repeated, tag = "7")]
    hidden: Vec<StoredColumn>,
}

/// A column of whatever is kept.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredColumn {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    ty: u32,
    #[prost(bool, tag = "3")]
    nullable: bool,
}

#[derive(Clone, PartialEq, Message)]
struct StoredBase {
    #[prost(string, tag = "1")]
    source: String,
    #[prost(string, tag = "2")]
    entity: String,
    #[prost(string, optional, tag = "3")]
    parent: Option<String>,
}

/// Each at its place for ever.
const TYPES: [Ty; 13] = [
    Ty::Bool,
    Ty::Integer,
    Ty::Bigint,
    Ty::Whole,
    Ty::Numeric,
    Ty::Double,
    Ty::Text,
    Ty::Bytea,
    Ty::Timestamptz,
    Ty::Date,
    Ty::Interval,
    Ty::Jsonb,
    Ty::Unknown,
];

impl Catalog {
    /// As it is kept.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        Stored { relations: self.relations.values().map(|relation| stored(relation)).collect() }
            .encode_to_vec()
    }

    /// From what is kept; `None` if another version of this program wrote it, which this one does not understand.
    pub(crate) fn from_bytes(bytes: &[u8], dialect: Dialect, layout: i64) -> Option<Self> {
        let Stored { relations } = Stored::decode(bytes).ok()?;
        let relations = relations.into_iter().map(relation).collect::<Option<Vec<Relation>>>()?;
        let catalog = Self::of(dialect).with(|_| false, relations.into_iter().map(Arc::new));
        Some(Self { layout, ..catalog })
    }
}

fn stored(relation: &Relation) -> StoredRelation {
    let Relation { name, columns, key, kind } = relation;
    let mut stored = StoredRelation {
        name: name.clone(),
        columns: columns.iter().map(StoredColumn::of).collect(),
        key: key.clone(),
        ..StoredRelation::default()
    };
    match kind {
        Kind::Base { source, entity, parent } => {
            let (source, entity, parent) = (source.clone(), entity.clone(), parent.clone());
            stored.base = Some(StoredBase { source, entity, parent });
        }
        Kind::View { types } => stored.types = types.iter().map(|ty| place(*ty)).collect(),
        Kind::Materialized { types, hidden } => {
            stored.types = types.iter().map(|ty| place(*ty)).collect();
            stored.materialized = true;
            stored.hidden = hidden.iter().map(StoredColumn::of).collect();
        }
    }
    stored
}

fn relation(stored: StoredRelation) -> Option<Relation> {
    let StoredRelation { name, columns, key, base, types, materialized, hidden } = stored;
    let types = types.into_iter().map(ty).collect::<Option<Vec<Ty>>>()?;
    let kind = match base {
        Some(StoredBase { source, entity, parent }) => Kind::Base { source, entity, parent },
        None if materialized => Kind::Materialized { types, hidden: all(hidden)? },
        None => Kind::View { types },
    };
    Some(Relation { name, columns: all(columns)?, key, kind })
}

impl StoredColumn {
    /// As it is kept.
    pub(crate) fn of(column: &Column) -> Self {
        let Column { name, ty, nullable } = column.clone();
        Self { name, ty: place(ty.into()), nullable }
    }

    /// From what is kept, if that is understood.
    pub(crate) fn read(self) -> Option<Column> {
        let Self { name, ty: place, nullable } = self;
        Some(Column { name, ty: ty(place)?.output()?, nullable })
    }
}

fn place(ty: Ty) -> u32 {
    // Every type is in the list, as a test sees to.
    TYPES.iter().zip(0..).find(|(known, _)| **known == ty).map_or(u32::MAX, |(_, place)| place)
}

fn all(columns: Vec<StoredColumn>) -> Option<Vec<Column>> {
    columns.into_iter().map(StoredColumn::read).collect()
}

fn ty(place: u32) -> Option<Ty> {
    TYPES.get(usize::try_from(place).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Type;

    fn column(name: &str, ty: Type) -> Column {
        Column { name: name.to_owned(), ty, nullable: name.len() > 4 }
    }

    /// One of each kind, with every type that there is.
    fn catalog() -> Catalog {
        let columns: Vec<Column> = Type::ALL.iter().map(|ty| column(&ty.to_string(), *ty)).collect();
        let (source, entity, parent) = ("s".to_owned(), "e".to_owned(), Some("p".to_owned()));
        let kept = Kind::Materialized { types: TYPES.to_vec(), hidden: columns.clone() };
        let relations = [
            ("base", Kind::Base { source: source.clone(), entity: entity.clone(), parent: None }),
            ("child", Kind::Base { source, entity, parent }),
            ("kept", kept),
            ("view", Kind::View { types: TYPES.to_vec() }),
        ];
        let relations = relations.map(|(name, kind)| {
            Arc::new(Relation {
                name: name.to_owned(),
                columns: columns.clone(),
                key: vec!["text".to_owned()],
                kind,
            })
        });
        Catalog { layout: 7, ..Catalog::of(Dialect::Postgres).with(|_| false, relations) }
    }

    #[test]
    fn a_catalog_is_read_as_it_was_written() {
        let catalog = catalog();
        assert_eq!(Catalog::from_bytes(&catalog.to_bytes(), Dialect::Postgres, 7), Some(catalog));
        let nothing = Catalog { layout: 3, ..Catalog::of(Dialect::Postgres) };
        assert_eq!(Catalog::from_bytes(&[], Dialect::Postgres, 3), Some(nothing));
    }

    #[test]
    fn what_a_later_version_wrote_is_not_guessed() {
        let mut later = stored(&catalog().relations["view"].clone());
        later.types[0] = 99;
        let bytes = Stored { relations: vec![later] }.encode_to_vec();
        assert_eq!(Catalog::from_bytes(&bytes, Dialect::Postgres, 1), None);
        assert_eq!(Catalog::from_bytes(b"nothing that was ever written", Dialect::Postgres, 1), None);
    }
}
