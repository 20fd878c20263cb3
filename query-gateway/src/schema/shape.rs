//! How the wire form of a message becomes columns: compiled once per schema, read for every change.

use std::{collections::HashMap, sync::Arc};

use prost::{
    DecodeError,
    bytes::Buf,
    encoding::{self, DecodeContext, WireType},
};
use prost_reflect::{EnumDescriptor, Kind, MessageDescriptor};

use super::Value;
use crate::catalog::Type;

/// The fields of a message as columns of one row.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) message: MessageDescriptor,
    /// What columns hold that the wire leaves out, once the message itself is there.
    pub(super) defaults: Vec<(usize, Value)>,
    /// In order of number.
    pub(super) fields: Vec<Field>,
    /// How many oneofs there are.
    pub(super) oneofs: usize,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// From the entity's message down, for people.
    pub(super) path: String,
    /// Place of its oneof among those of the message.
    pub(super) oneof: Option<usize>,
    pub(super) target: Target,
}

/// Where a field goes.
#[derive(Debug)]
pub(super) enum Target {
    /// One column.
    Scalar { slot: usize, scalar: Scalar },
    /// One column: `google.protobuf.Timestamp`.
    Time { slot: usize },
    /// One column: JSON.
    Json { slot: usize, name: String },
    /// Columns of the same row: a message within the message.
    Flat(Shape),
    /// Rows of a child table, with an ordinal column or without.
    Rows { table: usize, ordinal: Option<usize>, shape: Shape },
}

impl Shape {
    /// The field of that number, with its place.
    pub(super) fn field(&self, number: u32) -> Option<(usize, &Field)> {
        let place = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        Some((place, &self.fields[place]))
    }
}

/// How a scalar is read.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Bool,
    Int32,
    Int64,
    Sint32,
    Sint64,
    Uint32,
    Uint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    String,
    Bytes,
    Enum(Arc<HashMap<i32, String>>),
}

impl Scalar {
    /// `None` for a message.
    pub(super) fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::Bool => Scalar::Bool,
            Kind::Int32 => Scalar::Int32,
            Kind::Int64 => Scalar::Int64,
            Kind::Sint32 => Scalar::Sint32,
            Kind::Sint64 => Scalar::Sint64,
            Kind::Uint32 => Scalar::Uint32,
            Kind::Uint64 => Scalar::Uint64,
            Kind::Fixed32 => Scalar::Fixed32,
            Kind::Fixed64 => Scalar::Fixed64,
            Kind::Sfixed32 => Scalar::Sfixed32,
            Kind::Sfixed64 => Scalar::Sfixed64,
            Kind::Float => Scalar::Float,
            Kind::Double => Scalar::Double,
            Kind::String => Scalar::String,
            Kind::Bytes => Scalar::Bytes,
            Kind::Enum(descriptor) => Scalar::Enum(Arc::new(names(descriptor))),
            Kind::Message(_) => return None,
        })
    }

    pub(super) fn ty(&self) -> Type {
        match self {
            Scalar::Bool => Type::Bool,
            Scalar::Float | Scalar::Double => Type::Double,
            Scalar::String | Scalar::Enum(_) => Type::Text,
            Scalar::Bytes => Type::Bytea,
            _ => Type::Bigint,
        }
    }

    /// What a field that the wire leaves out stands for.
    pub(super) fn default(&self) -> Value {
        match self {
            Scalar::Float | Scalar::Double => Value::Real(0.0),
            Scalar::String => Value::Text(String::new()),
            Scalar::Bytes => Value::Blob(Vec::new()),
            Scalar::Enum(names) => name(names, 0),
            _ => Value::Integer(0),
        }
    }

    /// Reads one occurrence. An error says why the store cannot hold it.
    pub(super) fn read(&self, wire: WireType, buf: &mut impl Buf) -> Result<Value, String> {
        macro_rules! read {
            ($module:ident) => {{
                let mut value = Default::default();
                encoding::$module::merge(wire, &mut value, buf, DecodeContext::default())
                    .map_err(|error: DecodeError| error.to_string())?;
                value
            }};
        }
        Ok(match self {
            Scalar::Bool => Value::Integer(i64::from(read!(bool))),
            Scalar::Int32 => Value::Integer(i64::from(read!(int32))),
            Scalar::Int64 => Value::Integer(read!(int64)),
            Scalar::Sint32 => Value::Integer(i64::from(read!(sint32))),
            Scalar::Sint64 => Value::Integer(read!(sint64)),
            Scalar::Uint32 => Value::Integer(i64::from(read!(uint32))),
            Scalar::Uint64 => unsigned(read!(uint64))?,
            Scalar::Fixed32 => Value::Integer(i64::from(read!(fixed32))),
            Scalar::Fixed64 => unsigned(read!(fixed64))?,
            Scalar::Sfixed32 => Value::Integer(i64::from(read!(sfixed32))),
            Scalar::Sfixed64 => Value::Integer(read!(sfixed64)),
            Scalar::Float => real(f64::from(read!(float)))?,
            Scalar::Double => real(read!(double))?,
            Scalar::String => Value::Text(read!(string)),
            Scalar::Bytes => {
                let bytes: Vec<u8> = read!(bytes);
                Value::Blob(bytes)
            }
            Scalar::Enum(names) => name(names, read!(int32)),
        })
    }
}

fn names(descriptor: &EnumDescriptor) -> HashMap<i32, String> {
    let mut names = HashMap::new();
    // Of several names for one number the first declared counts, as in JSON.
    for value in descriptor.enum_descriptor_proto().value.iter() {
        names.entry(value.number()).or_insert_with(|| value.name().to_owned());
    }
    names
}

/// A number that has no name here stands for itself, as in JSON: enums are open.
fn name(names: &HashMap<i32, String>, number: i32) -> Value {
    Value::Text(names.get(&number).cloned().unwrap_or_else(|| number.to_string()))
}

fn unsigned(value: u64) -> Result<Value, String> {
    let value =
        i64::try_from(value).map_err(|_| format!("{value} is above the largest bigint, {}", i64::MAX))?;
    Ok(Value::Integer(value))
}

fn real(value: f64) -> Result<Value, String> {
    if value.is_nan() { Err("NaN cannot be stored".to_owned()) } else { Ok(Value::Real(value)) }
}
