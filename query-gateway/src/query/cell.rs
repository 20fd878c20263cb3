//! One value on its way between SQLite and a caller: the storage class of SQLite says less than the type
//! of the column, so both decide.

use prost_types::Timestamp;
use sqlx::{
    Row as _, Sqlite, TypeInfo as _, ValueRef as _, query::Query, sqlite::SqliteArguments, sqlite::SqliteRow,
};
use tributary_proto::query::v1::{self as proto, value::Kind};

use crate::catalog::{Column, Type};

/// A value with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// boolean
    Bool(bool),
    /// bigint
    Bigint(i64),
    /// double precision
    Double(f64),
    /// numeric: decimal digits with an optional sign and point, exact.
    Numeric(String),
    /// text, and interval as PostgreSQL writes it.
    Text(String),
    /// bytea
    Bytea(Vec<u8>),
    /// timestamptz: microseconds since 1970, UTC.
    Timestamptz(i64),
    /// jsonb, as text.
    Jsonb(String),
}

/// A result that is not what its compiled column says: a defect of the compiler or of the store.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// A value of another storage class.
    #[error("column `{column}` is {expected}, but the store gave {found}")]
    Class {
        /// Name of the result's column.
        column: String,
        /// Its compiled type.
        expected: Type,
        /// SQLite's storage class.
        found: String,
    },
    /// The value could not be read.
    #[error(transparent)]
    Read(#[from] sqlx::Error),
}

impl Cell {
    /// The value of column `i` of a row, which was compiled to be `column`.
    pub fn read(row: &SqliteRow, i: usize, column: &Column) -> Result<Self, CellError> {
        let raw = row.try_get_raw(i)?;
        if raw.is_null() {
            return Ok(Cell::Null);
        }
        let class = raw.type_info().name().to_owned();
        Ok(match (column.ty, class.as_str()) {
            (Type::Bool, "INTEGER") => Cell::Bool(row.try_get_unchecked::<i64, _>(i)? != 0),
            (Type::Bigint, "INTEGER") => Cell::Bigint(row.try_get_unchecked(i)?),
            (Type::Double, "REAL") => Cell::Double(row.try_get_unchecked(i)?),
            (Type::Double, "INTEGER") => Cell::Double(row.try_get_unchecked::<i64, _>(i)? as f64),
            (Type::Numeric, "INTEGER") => Cell::Numeric(row.try_get_unchecked::<i64, _>(i)?.to_string()),
            (Type::Numeric, "TEXT") => Cell::Numeric(row.try_get_unchecked(i)?),
            (Type::Text | Type::Interval, "TEXT") => Cell::Text(row.try_get_unchecked(i)?),
            (Type::Bytea, "BLOB") => Cell::Bytea(row.try_get_unchecked(i)?),
            (Type::Timestamptz, "INTEGER") => Cell::Timestamptz(row.try_get_unchecked(i)?),
            (Type::Jsonb, "TEXT") => Cell::Jsonb(row.try_get_unchecked(i)?),
            (expected, _) => {
                return Err(CellError::Class { column: column.name.clone(), expected, found: class });
            }
        })
    }

    /// Binds it as the next parameter, in the form in which its type is stored.
    pub fn bind<'q>(self, query: Query<'q, Sqlite, SqliteArguments>) -> Query<'q, Sqlite, SqliteArguments> {
        match self {
            Cell::Null => query.bind(None::<i64>),
            Cell::Bool(value) => query.bind(i64::from(value)),
            Cell::Bigint(value) | Cell::Timestamptz(value) => query.bind(value),
            Cell::Double(value) => query.bind(value),
            Cell::Numeric(text) | Cell::Text(text) | Cell::Jsonb(text) => query.bind(text),
            Cell::Bytea(bytes) => query.bind(bytes),
        }
    }

    /// Bytes that it takes in an answer, within a few.
    pub fn size(&self) -> usize {
        4 + match self {
            Cell::Null | Cell::Bool(_) => 0,
            Cell::Bigint(_) | Cell::Double(_) | Cell::Timestamptz(_) => 8,
            Cell::Numeric(text) | Cell::Text(text) | Cell::Jsonb(text) => text.len(),
            Cell::Bytea(bytes) => bytes.len(),
        }
    }
}

impl From<Cell> for proto::Value {
    fn from(cell: Cell) -> Self {
        let kind = match cell {
            Cell::Null => Kind::Null(proto::Null::Unspecified.into()),
            Cell::Bool(value) => Kind::Bool(value),
            Cell::Bigint(value) => Kind::Int64(value),
            Cell::Double(value) => Kind::Double(value),
            Cell::Numeric(text) => Kind::Decimal(text),
            Cell::Text(text) => Kind::Text(text),
            Cell::Bytea(bytes) => Kind::Bytes(bytes),
            Cell::Timestamptz(micros) => Kind::Timestamp(timestamp(micros)),
            Cell::Jsonb(text) => Kind::Json(text),
        };
        Self { kind: Some(kind) }
    }
}

/// Microseconds since 1970 as the proto message.
pub fn timestamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// The proto message as microseconds since 1970, finer parts cut off; `None` when it does not fit.
pub fn micros(timestamp: &Timestamp) -> Option<i64> {
    let micros = i128::from(timestamp.seconds) * 1_000_000 + i128::from(timestamp.nanos.div_euclid(1_000));
    i64::try_from(micros).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_order() {
        for value in [i64::MIN, -1_000_001, -1, 0, 1, 1_700_000_000_123_456, i64::MAX] {
            let there = timestamp(value);
            assert!((0..1_000_000_000).contains(&there.nanos), "{there:?}");
            assert_eq!(micros(&there), Some(value));
        }
    }

    #[test]
    fn times_beyond_the_store_are_refused() {
        assert_eq!(micros(&Timestamp { seconds: i64::MAX, nanos: 0 }), None);
    }
}
