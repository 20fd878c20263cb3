//! Values on their way into a statement.

use std::borrow::Cow;

use sqlx::{
    Arguments as _, Encode, Postgres, Type as Typed,
    postgres::{PgArguments, types::PgInterval},
    sqlite::SqliteArguments,
};

use super::{
    error::Error,
    postgres::{Document, Instant, Number},
};
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
        }
        .map_err(Error::encoding)
    }

    /// As the next one of a statement for PostgreSQL.
    pub(super) fn add_to_postgres(self, arguments: &mut PgArguments) -> Result<(), Error> {
        match self {
            Argument::Null(ty) => add_null(arguments, ty),
            Argument::Bool(value) => arguments.add(value),
            Argument::Bigint(value) => arguments.add(value),
            Argument::Double(value) => arguments.add(value),
            Argument::Numeric(text) => arguments.add(Number(&text)),
            Argument::Text(text) => arguments.add(&*text),
            Argument::Bytea(bytes) => arguments.add(&*bytes),
            Argument::Timestamptz(micros) => arguments.add(Instant(micros)),
            Argument::Jsonb(text) => arguments.add(Document(&text)),
        }
        .map_err(Error::encoding)
    }
}

type Added = Result<(), sqlx::error::BoxDynError>;

fn add_null(arguments: &mut PgArguments, ty: Type) -> Added {
    match ty {
        Type::Bool => null::<bool>(arguments),
        Type::Bigint => null::<i64>(arguments),
        Type::Double => null::<f64>(arguments),
        Type::Numeric => null::<Number<'_>>(arguments),
        Type::Text => null::<&str>(arguments),
        Type::Bytea => null::<&[u8]>(arguments),
        Type::Timestamptz => null::<Instant>(arguments),
        Type::Interval => null::<PgInterval>(arguments),
        Type::Jsonb => null::<Document<'_>>(arguments),
    }
}

fn null<'a, T: Encode<'a, Postgres> + Typed<Postgres> + 'a>(arguments: &mut PgArguments) -> Added {
    arguments.add(None::<T>)
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
