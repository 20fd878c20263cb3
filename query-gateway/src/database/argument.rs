//! Values on their way into a statement.

use std::borrow::Cow;

use sqlx::{Arguments as _, sqlite::SqliteArguments};

use super::error::Error;
use crate::catalog::Type;

/// A value that is bound to a parameter. SQLite stores it as the catalog says of its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument<'a> {
    /// NULL: PostgreSQL wants to know of which type.
    Null(Type),
    /// boolean
    Bool(bool),
    /// bigint
    Bigint(i64),
    /// double precision
    Double(f64),
    /// numeric, as decimal digits with an optional sign and point.
    Numeric(Cow<'a, str>),
    /// text
    Text(Cow<'a, str>),
    /// bytea
    Bytea(Cow<'a, [u8]>),
    /// timestamptz, in microseconds since 1970.
    Timestamptz(i64),
    /// jsonb, as text.
    Jsonb(Cow<'a, str>),
    /// A value of that type for each of some rows. It is for PostgreSQL, which takes any number of rows so in one statement of
    /// one text; SQLite has no such thing.
    Array(Type, Vec<Argument<'a>>),
}

impl Argument<'_> {
    /// As the next one of a statement for SQLite.
    pub(super) fn add_to_sqlite(self, arguments: &mut SqliteArguments) -> Result<(), Error> {
        match self {
            Argument::Null(_) => arguments.add(None::<i64>),
            Argument::Bool(value) => arguments.add(i64::from(value)),
            Argument::Bigint(value) | Argument::Timestamptz(value) => arguments.add(value),
            Argument::Double(value) => arguments.add(value),
            Argument::Numeric(text) | Argument::Text(text) | Argument::Jsonb(text) => {
                arguments.add(text.into_owned())
            }
            Argument::Bytea(bytes) => arguments.add(bytes.into_owned()),
            Argument::Array(..) => Err("SQLite has no arrays".into()),
        }
        .map_err(Error::encoding)
    }

    /// Its type.
    pub(super) fn ty(&self) -> Type {
        match self {
            Argument::Null(ty) => *ty,
            Argument::Bool(_) => Type::Bool,
            Argument::Bigint(_) => Type::Bigint,
            Argument::Double(_) => Type::Double,
            Argument::Numeric(_) => Type::Numeric,
            Argument::Text(_) => Type::Text,
            Argument::Bytea(_) => Type::Bytea,
            Argument::Timestamptz(_) => Type::Timestamptz,
            Argument::Jsonb(_) => Type::Jsonb,
            Argument::Array(ty, _) => *ty,
        }
    }
}

impl From<bool> for Argument<'_> {
    fn from(value: bool) -> Self {
        Argument::Bool(value)
    }
}

impl From<i64> for Argument<'_> {
    fn from(value: i64) -> Self {
        Argument::Bigint(value)
    }
}

impl From<Option<i64>> for Argument<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Argument::Null(Type::Bigint), Argument::Bigint)
    }
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(value: &'a str) -> Self {
        Argument::Text(value.into())
    }
}

impl<'a> From<&'a String> for Argument<'a> {
    fn from(value: &'a String) -> Self {
        Argument::Text(value.into())
    }
}

impl From<String> for Argument<'_> {
    fn from(value: String) -> Self {
        Argument::Text(value.into())
    }
}

impl<'a> From<&'a [u8]> for Argument<'a> {
    fn from(value: &'a [u8]) -> Self {
        Argument::Bytea(value.into())
    }
}
