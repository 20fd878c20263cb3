//! What of PostgreSQL is not like SQLite: types that the driver leaves to us, in the form in which they travel.

mod number;

use sqlx::{
    Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _,
    encode::IsNull,
    error::BoxDynError,
    postgres::{
        PgArgumentBuffer, PgRow, PgTypeInfo, PgValueFormat, PgValueRef,
        types::{Oid, PgInterval},
    },
};
use tributary_sqlite::interval::Interval;

pub(super) use self::number::Number;
use super::{error::Error, row::Value};

/// Microseconds from 1970 to 2000, from which PostgreSQL counts.
const EPOCH: i64 = 946_684_800_000_000;

// The numbers of types, which are fixed.
const JSONB: Oid = Oid(3802);
const TIMESTAMPTZ: Oid = Oid(1184);
const NUMERIC: Oid = Oid(1700);

/// In front of a document: the version of its form.
const JSONB_VERSION: u8 = 1;

/// A timestamptz, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant(pub(super) i64);

/// A jsonb, as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a>(pub(super) &'a str);

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = self.0.checked_sub(EPOCH).ok_or("timestamp out of range")?;
        buffer.extend_from_slice(&micros.to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Type<Postgres> for Document<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSONB)
    }
}

impl Encode<'_, Postgres> for Document<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.push(JSONB_VERSION);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

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
