//! Rows, and the values in them.

use sqlx::{Row as _, ValueRef as _, error::UnexpectedNullError, postgres::PgRow, sqlite::SqliteRow};

use super::{error::Error, postgres, sqlite};

/// A row of an answer.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

/// A value as a database gives it. SQLite has no types but those that are marked.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL; of SQLite too.
    Null,
    /// boolean
    Bool(bool),
    /// bigint and what is smaller; of SQLite too, where it can be a boolean, a timestamp or a numeric.
    Integer(i64),
    /// double precision; of SQLite too.
    Double(f64),
    /// text; of SQLite too, where it can be a numeric, an interval or a document.
    Text(String),
    /// bytea; of SQLite too.
    Bytes(Vec<u8>),
    /// numeric, in decimal digits.
    Numeric(String),
    /// timestamptz, in microseconds since 1970.
    Timestamptz(i64),
    /// interval, as PostgreSQL writes it.
    Interval(String),
    /// jsonb, as text.
    Jsonb(String),
    /// Of a type that no column of the read model has: its name.
    Other(String),
}

impl Value {
    /// Its type, which is told of a value that is not what it should be: the value is nobody's business.
    pub fn kind(&self) -> &str {
        match self {
            Value::Null => "NULL",
            Value::Bool(_) => "boolean",
            Value::Integer(_) => "bigint",
            Value::Double(_) => "double precision",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytea",
            Value::Numeric(_) => "numeric",
            Value::Timestamptz(_) => "timestamptz",
            Value::Interval(_) => "interval",
            Value::Jsonb(_) => "jsonb",
            Value::Other(name) => name,
        }
    }
}

/// What can be read out of a row of either database. NULL is a value of an [`Option`] alone.
pub trait Get: Sized {
    /// Reads column `at`, from 0.
    fn get(row: &Row, at: usize) -> Result<Self, Error>;
}

macro_rules! values {
    ($($value:ty),*) => {$(
        impl Get for $value {
            fn get(row: &Row, at: usize) -> Result<Self, Error> {
                match row {
                    // The driver makes a zero or a text without letters of SQLite's NULL.
                    Row::Sqlite(row) if row.try_get_raw(at)?.is_null() => Err(Error::decoding(UnexpectedNullError)),
                    Row::Sqlite(row) => Ok(row.try_get(at)?),
                    Row::Postgres(row) => Ok(row.try_get(at)?),
                }
            }
        }
    )*};
}

values!(bool, i64, f64, String, Vec<u8>);

impl<T: Get> Get for Option<T> {
    fn get(row: &Row, at: usize) -> Result<Self, Error> {
        let is_null = match row {
            Row::Sqlite(row) => row.try_get_raw(at)?.is_null(),
            Row::Postgres(row) => row.try_get_raw(at)?.is_null(),
        };
        if is_null { Ok(None) } else { T::get(row, at).map(Some) }
    }
}

impl Row {
    /// The value of column `at`, from 0.
    pub fn get<T: Get>(&self, at: usize) -> Result<T, Error> {
        T::get(self, at)
    }

    /// The value of column `at`, from 0, whatever it is.
    pub fn value(&self, at: usize) -> Result<Value, Error> {
        match self {
            Row::Sqlite(row) => sqlite::value(row, at),
            Row::Postgres(row) => postgres::value(row, at),
        }
    }
}

/// What a whole row is read as.
pub trait FromRow: Sized {
    /// Reads it.
    fn from_row(row: Row) -> Result<Self, Error>;
}

impl FromRow for Row {
    fn from_row(row: Row) -> Result<Self, Error> {
        Ok(row)
    }
}

/// The first column alone.
impl<T: Get> FromRow for T {
    fn from_row(row: Row) -> Result<Self, Error> {
        row.get(0)
    }
}

/// As many columns, in order.
macro_rules! tuples {
    ($($($column:ident $at:literal),*;)*) => {$(
        impl<$($column: Get),*> FromRow for ($($column,)*) {
            fn from_row(row: Row) -> Result<Self, Error> {
                Ok(($(row.get::<$column>($at)?,)*))
            }
        }
    )*};
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
}
