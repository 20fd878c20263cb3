//! What of PostgreSQL is not like SQLite: values in the form in which they travel, of which the driver does not know all.

mod bind;
mod copy;
mod number;

use sqlx::{
    Row as _, TypeInfo as _, ValueRef as _,
    postgres::{PgRow, PgValueFormat, PgValueRef, types::PgInterval},
};
use tributary_sqlite::interval::Interval;

pub(super) use self::bind::Bound;
pub use self::copy::Rows;
use super::{error::Error, row::Value};

/// Microseconds from 1970 to 2000, from which PostgreSQL counts.
const EPOCH: i64 = 946_684_800_000_000;

/// In front of a document: the version of its form.
const JSONB_VERSION: u8 = 1;

/// A value by its type.
pub(super) fn value(row: &PgRow, at: usize) -> Result<Value, Error> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    if raw.format() == PgValueFormat::Text {
        return Err(Error::decoding("a statement that is not prepared gives text alone"));
    }
    let name = raw.type_info().name().to_owned();
    Ok(match name.as_str() {
        "BOOL" => Value::Bool(row.try_get(at)?),
        "INT2" => Value::Integer(row.try_get::<i16, _>(at)?.into()),
        "INT4" => Value::Integer(row.try_get::<i32, _>(at)?.into()),
        "INT8" => Value::Integer(row.try_get(at)?),
        "FLOAT8" => Value::Double(row.try_get(at)?),
        "TEXT" | "VARCHAR" | "NAME" | "CHAR" | "UNKNOWN" => Value::Text(row.try_get_unchecked(at)?),
        "BYTEA" => Value::Bytes(row.try_get(at)?),
        "NUMERIC" => Value::Numeric(number::read(bytes(&raw)?).ok_or_else(|| malformed(&name))?),
        "TIMESTAMPTZ" => Value::Timestamptz(instant(bytes(&raw)?).ok_or_else(|| malformed(&name))?),
        "INTERVAL" => Value::Interval(interval(row.try_get(at)?)),
        "JSONB" => Value::Jsonb(document(bytes(&raw)?).ok_or_else(|| malformed(&name))?),
        _ => Value::Other(name),
    })
}

fn bytes<'r>(raw: &PgValueRef<'r>) -> Result<&'r [u8], Error> {
    raw.as_bytes().map_err(Error::decoding)
}

fn malformed(name: &str) -> Error {
    Error::decoding(format!("a {name} that cannot be read"))
}

/// None of an infinite one, which no timestamp of ours is.
fn instant(bytes: &[u8]) -> Option<i64> {
    i64::from_be_bytes(bytes.try_into().ok()?).checked_add(EPOCH)
}

fn document(bytes: &[u8]) -> Option<String> {
    let (JSONB_VERSION, text) = bytes.split_first().map(|(version, text)| (*version, text))? else {
        return None;
    };
    String::from_utf8(text.to_vec()).ok()
}

fn interval(PgInterval { months, days, microseconds }: PgInterval) -> String {
    Interval { months: months.into(), days: days.into(), micros: microseconds }.to_string()
}
