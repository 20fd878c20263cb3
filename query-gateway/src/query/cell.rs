//! One value on its way between the store and a caller: the storage class of SQLite says less than the type
//! of the column, so both decide.

use prost_types::Timestamp;
use tributary_proto::query::v1::{self as proto, value::Kind};

use crate::{
    catalog::{Column, Type},
    database::{Argument, Error, Row, Value},
};

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
    /// A value of another type or storage class.
    #[error("column `{column}` is {expected}, but the store gave {found}")]
    Class {
        /// Name of the result's column.
        column: String,
        /// Its compiled type.
        expected: Type,
        /// Of what type the store gave one.
        found: String,
    },
    /// The value could not be read.
    #[error(transparent)]
    Read(#[from] Error),
}

impl Cell {
    /// The value of column `i` of a row, which was compiled to be `column`.
    pub fn read(row: &Row, i: usize, column: &Column) -> Result<Self, CellError> {
        Ok(match (column.ty, row.value(i)?) {
            (_, Value::Null) => Cell::Null,
            (Type::Bool, Value::Bool(value)) => Cell::Bool(value),
            (Type::Bool, Value::Integer(value)) => Cell::Bool(value != 0),
            (Type::Bigint, Value::Integer(value)) => Cell::Bigint(value),
            (Type::Double, Value::Double(value)) => Cell::Double(value),
            (Type::Double, Value::Integer(value)) => Cell::Double(value as f64),
            (Type::Numeric, Value::Integer(value)) => Cell::Numeric(value.to_string()),
            (Type::Numeric, Value::Text(text) | Value::Numeric(text)) => Cell::Numeric(text),
            (Type::Text, Value::Text(text)) => Cell::Text(text),
            (Type::Interval, Value::Text(text) | Value::Interval(text)) => Cell::Text(text),
            (Type::Bytea, Value::Bytes(bytes)) => Cell::Bytea(bytes),
            (Type::Timestamptz, Value::Integer(micros) | Value::Timestamptz(micros)) => {
                Cell::Timestamptz(micros)
            }
            (Type::Jsonb, Value::Text(text) | Value::Jsonb(text)) => Cell::Jsonb(text),
            (expected, found) => {
                let found = found.kind().to_owned();
                return Err(CellError::Class { column: column.name.clone(), expected, found });
            }
        })
    }

    /// As a parameter of that type, in the form in which it is stored.
    pub fn argument(&self, ty: Type) -> Argument<'_> {
        match self {
            Cell::Null => Argument::Null(ty),
            Cell::Bool(value) => Argument::Bool(*value),
            Cell::Bigint(value) => Argument::Bigint(*value),
            Cell::Double(value) => Argument::Double(*value),
            Cell::Numeric(text) => Argument::Numeric(text.into()),
            Cell::Text(text) => Argument::Text(text.into()),
            Cell::Bytea(bytes) => Argument::Bytea(bytes.into()),
            Cell::Timestamptz(micros) => Argument::Timestamptz(*micros),
            Cell::Jsonb(text) => Argument::Jsonb(text.into()),
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
