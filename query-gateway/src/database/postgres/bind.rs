//! Values on their way to PostgreSQL.

use sqlx::{
    Encode, Postgres, Type as Typed,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

use super::{EPOCH, JSONB_VERSION, number};
use crate::{catalog::Type, database::Argument};

/// A value with its type, which is known when it is bound.
pub(in crate::database) struct Bound<'a>(pub(in crate::database) &'a Argument<'a>);

impl Typed<Postgres> for Bound<'_> {
    /// Not asked, as each tells its own.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(oid(Type::Text))
    }
}

impl Encode<'_, Postgres> for Bound<'_> {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(match self.0 {
            Argument::Array(ty, _) => array_oid(*ty),
            value => oid(value.ty()),
        }))
    }

    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self.0 {
            Argument::Array(ty, values) => write_array(*ty, values, buffer).map(|()| IsNull::No),
            value => write(value, buffer),
        }
    }
}

/// The numbers of types and of their arrays are fixed.
fn oid(ty: Type) -> Oid {
    Oid(match ty {
        Type::Bool => 16,
        Type::Bytea => 17,
        Type::Bigint => 20,
        Type::Text => 25,
        Type::Double => 701,
        Type::Timestamptz => 1184,
        Type::Interval => 1186,
        Type::Numeric => 1700,
        Type::Jsonb => 3802,
    })
}

fn array_oid(ty: Type) -> Oid {
    Oid(match ty {
        Type::Bool => 1000,
        Type::Bytea => 1001,
        Type::Bigint => 1016,
        Type::Text => 1009,
        Type::Double => 1022,
        Type::Timestamptz => 1185,
        Type::Interval => 1187,
        Type::Numeric => 1231,
        Type::Jsonb => 3807,
    })
}

/// The bytes of a value.
pub(super) fn write(value: &Argument<'_>, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
    match value {
        Argument::Null(_) => return Ok(IsNull::Yes),
        Argument::Bool(value) => buffer.push(u8::from(*value)),
        Argument::Bigint(value) => buffer.extend(value.to_be_bytes()),
        Argument::Double(value) => buffer.extend(value.to_be_bytes()),
        Argument::Numeric(text) => buffer.extend(number::written(text).ok_or("no decimal number")?),
        Argument::Text(text) => buffer.extend(text.as_bytes()),
        Argument::Bytea(bytes) => buffer.extend_from_slice(bytes),
        Argument::Timestamptz(micros) => {
            let micros = micros.checked_sub(EPOCH).ok_or("timestamp out of range")?;
            buffer.extend(micros.to_be_bytes());
        }
        Argument::Jsonb(text) => {
            buffer.push(JSONB_VERSION);
            buffer.extend(text.as_bytes());
        }
        Argument::Array(..) => return Err("an array within an array".into()),
    }
    Ok(IsNull::No)
}

/// Its dimensions, whether there are NULLs, the type, how many values, the number of the first one; and then each with its
/// length.
fn write_array(ty: Type, values: &[Argument<'_>], buffer: &mut Vec<u8>) -> Result<(), BoxDynError> {
    let nulls = values.iter().any(|value| matches!(value, Argument::Null(_)));
    let count = i32::try_from(values.len())?;
    for part in [1, i32::from(nulls), oid(ty).0.cast_signed(), count, 1] {
        buffer.extend(part.to_be_bytes());
    }
    for value in values {
        if value.ty() != ty {
            return Err("values of several types in one array".into());
        }
        let at = buffer.len();
        buffer.extend((-1_i32).to_be_bytes());
        if let IsNull::No = write(value, buffer)? {
            let length = i32::try_from(buffer.len() - at - 4)?;
            buffer[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(())
}
