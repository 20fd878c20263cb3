//! From the fields of a request to the parameters of its SQL.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, SerializeOptions, Value,
};
use tributary_chassis::fault::Fault;

use crate::{
    api::wrapped,
    catalog::Type,
    query::cell::{Cell, micros},
};

/// Where the value of one `:parameter` comes from.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    /// As it stands in the SQL: the names on the way to the field, joined by `_`.
    pub(super) name: String,
    /// Its type in the SQL.
    pub(super) ty: Type,
    way: Vec<FieldDescriptor>,
}

impl Argument {
    /// The field of `request` that `:name` stands for, or why there is none.
    pub(super) fn find(request: &MessageDescriptor, name: &str) -> Result<Self, String> {
        let mut ways = ways(request, name);
        match (ways.pop(), ways.is_empty()) {
            (Some(way), true) => {
                let ty = way.last().map_or(Type::Text, type_of);
                Ok(Self { name: name.to_owned(), ty, way })
            }
            (Some(_), false) => Err(format!(
                "`:{name}` can stand for more than one field of {}: rename one",
                request.full_name()
            )),
            (None, _) => {
                let fields: Vec<_> = request.fields().map(|field| field.name().to_owned()).collect();
                let known = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
                Err(format!("`:{name}` is no field of {}; it has {known}", request.full_name()))
            }
        }
    }

    /// Its value in `request`; NULL when the field, or a message on the way to it, is not set.
    pub(super) fn read(&self, request: &DynamicMessage) -> Result<Cell, Fault> {
        let Some((field, around)) = self.way.split_last() else { return Ok(Cell::Null) };
        let mut holder = request.clone();
        for outer in around {
            match holder.take_field(outer) {
                Some(Value::Message(inner)) => holder = inner,
                _ => return Ok(Cell::Null),
            }
        }
        if field.supports_presence() && !holder.has_field(field) {
            return Ok(Cell::Null);
        }
        cell(&holder, field).map_err(|why| Fault::field(self.path(), why))
    }

    fn path(&self) -> String {
        self.way.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".")
    }
}

/// Every way to a field whose names, joined by `_`, are `name`. Follows the name and so ends, also where
/// messages contain themselves.
fn ways(message: &MessageDescriptor, name: &str) -> Vec<Vec<FieldDescriptor>> {
    let mut found = Vec::new();
    for field in message.fields() {
        let Some(rest) = name.strip_prefix(field.name()) else { continue };
        if rest.is_empty() {
            found.push(vec![field]);
        } else if let (Some(rest), Kind::Message(inner), false) =
            (rest.strip_prefix('_'), field.kind(), field.is_list() || field.is_map())
        {
            found.extend(ways(&inner, rest).into_iter().map(|way| [vec![field.clone()], way].concat()));
        }
    }
    found
}

fn type_of(field: &FieldDescriptor) -> Type {
    if field.is_list() || field.is_map() {
        return Type::Jsonb;
    }
    match field.kind() {
        Kind::Bool => Type::Bool,
        Kind::Double | Kind::Float => Type::Double,
        Kind::String | Kind::Enum(_) => Type::Text,
        Kind::Bytes => Type::Bytea,
        Kind::Message(message) => match (message.full_name(), wrapped(&message)) {
            ("google.protobuf.Timestamp", _) => Type::Timestamptz,
            (_, Some(value)) => type_of(&value),
            _ => Type::Jsonb,
        },
        _ => Type::Bigint,
    }
}

fn cell(holder: &DynamicMessage, field: &FieldDescriptor) -> Result<Cell, String> {
    if field.is_list() || field.is_map() {
        return json(holder, field);
    }
    Ok(match (&*holder.get_field(field), field.kind()) {
        (Value::Bool(value), _) => Cell::Bool(*value),
        (Value::I32(value), _) => Cell::Bigint((*value).into()),
        (Value::I64(value), _) => Cell::Bigint(*value),
        (Value::U32(value), _) => Cell::Bigint((*value).into()),
        (Value::U64(value), _) => Cell::Bigint(
            i64::try_from(*value).map_err(|_| format!("{value} is too large: at most {}", i64::MAX))?,
        ),
        (Value::F32(value), _) => Cell::Double((*value).into()),
        (Value::F64(value), _) => Cell::Double(*value),
        (Value::String(text), _) => Cell::Text(text.clone()),
        (Value::Bytes(bytes), _) => Cell::Bytea(bytes.to_vec()),
        (Value::EnumNumber(number), Kind::Enum(names)) => {
            let value = names.get_value(*number);
            Cell::Text(
                value
                    .ok_or_else(|| format!("{number} is no value of {}", names.full_name()))?
                    .name()
                    .to_owned(),
            )
        }
        (Value::Message(message), _) => return message_cell(holder, field, message),
        (value, kind) => return Err(format!("{value:?} is no value of a field of kind {kind:?}")),
    })
}

fn message_cell(
    holder: &DynamicMessage,
    field: &FieldDescriptor,
    message: &DynamicMessage,
) -> Result<Cell, String> {
    let descriptor = message.descriptor();
    if descriptor.full_name() == "google.protobuf.Timestamp" {
        let timestamp = message.transcode_to().map_err(|error| error.to_string())?;
        return micros(&timestamp).map(Cell::Timestamptz).ok_or_else(|| "is out of range".to_owned());
    }
    match wrapped(&descriptor) {
        Some(value) => cell(message, &value),
        None => json(holder, field),
    }
}

/// As protobuf's JSON, but with the names of the `.proto` and 64-bit integers as numbers: SQL reads it.
fn json(holder: &DynamicMessage, field: &FieldDescriptor) -> Result<Cell, String> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let mut alone = DynamicMessage::new(holder.descriptor());
    alone.set_field(field, holder.get_field(field).into_owned());
    let whole = alone
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| error.to_string())?;
    Ok(Cell::Jsonb(whole.get(field.name()).cloned().unwrap_or_default().to_string()))
}
