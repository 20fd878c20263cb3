//! From the columns of a result to the fields of a response. What can be known without rows is checked
//! as soon as the SQL is compiled.

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};

use crate::{
    api::wrapped,
    catalog::{Column, Type},
    query::cell::{Cell, timestamp},
};

/// How rows become responses.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// One message per row.
    Stream(RowShape),
    /// All rows, in the one repeated field of the response.
    Rows {
        /// That field.
        field: FieldDescriptor,
        /// Of its message.
        row: RowShape,
    },
    /// Exactly one row is the response.
    Single(RowShape),
}

/// Which column goes to which field of a message.
#[derive(Clone, Debug)]
pub(super) struct RowShape {
    message: MessageDescriptor,
    /// One for each column.
    fields: Vec<FieldDescriptor>,
}

/// A row that does not fit the message.
#[derive(Debug, thiserror::Error)]
#[error("column {column}: {why}")]
pub(super) struct Misfit {
    pub(super) column: String,
    /// Says what the row holds, which is for the caller alone.
    why: String,
}

impl Shape {
    /// The shape of `method`'s responses when its SQL gives `columns`, or what does not fit.
    pub(super) fn of(method: &MethodDescriptor, columns: &[Column]) -> Result<Self, String> {
        let response = method.output();
        if method.is_server_streaming() {
            return Ok(Shape::Stream(RowShape::of(response, columns)?));
        }
        let matched = columns.iter().any(|column| response.get_field_by_name(&column.name).is_some());
        match only_repeated(&response) {
            Some((field, message)) if !matched => {
                Ok(Shape::Rows { field, row: RowShape::of(message, columns)? })
            }
            _ => Ok(Shape::Single(RowShape::of(response, columns)?)),
        }
    }

    /// How one row becomes a message.
    pub(super) fn row(&self) -> &RowShape {
        match self {
            Shape::Stream(row) | Shape::Single(row) | Shape::Rows { row, .. } => row,
        }
    }
}

/// The field for rows: a response has it when exactly one field of it is a repeated message.
fn only_repeated(response: &MessageDescriptor) -> Option<(FieldDescriptor, MessageDescriptor)> {
    let mut repeated =
        response.fields().filter(FieldDescriptor::is_list).filter_map(|field| match field.kind() {
            Kind::Message(message) => Some((field, message)),
            _ => None,
        });
    repeated.next().filter(|_| repeated.next().is_none())
}

impl RowShape {
    fn of(message: MessageDescriptor, columns: &[Column]) -> Result<Self, String> {
        let mut fields: Vec<FieldDescriptor> = Vec::new();
        for column in columns {
            let name = &column.name;
            let field = message.get_field_by_name(name).ok_or_else(|| {
                let known: Vec<_> = message.fields().map(|field| field.name().to_owned()).collect();
                format!(
                    "column {name} has no field in {}, which has {}: add the field, or name the column with AS",
                    message.full_name(),
                    known.join(", ")
                )
            })?;
            if fields.contains(&field) {
                return Err(format!("two columns are named {name}: name them apart with AS"));
            }
            if !fits(&field, column.ty) {
                return Err(format!(
                    "column {name} is {}, but the field of {} is {}: change the field, or CAST the column",
                    column.ty,
                    message.full_name(),
                    describe(&field)
                ));
            }
            if let Some((other, oneof)) = fields.iter().find_map(|other| {
                let oneof = other.containing_oneof()?;
                (field.containing_oneof() == Some(oneof.clone())).then_some((other, oneof))
            }) {
                return Err(format!(
                    "columns {} and {name} both go to the oneof {}: a row can set one of its fields",
                    other.name(),
                    oneof.name()
                ));
            }
            fields.push(field);
        }
        Ok(Self { message, fields })
    }

    /// The message of one row.
    pub(super) fn message(&self, row: Vec<Cell>) -> Result<DynamicMessage, Misfit> {
        let mut message = DynamicMessage::new(self.message.clone());
        for (field, cell) in self.fields.iter().zip(row) {
            let misfit = |why| Misfit { column: field.name().to_owned(), why };
            let value = value(field, cell).map_err(misfit)?;
            if let Some(value) = value {
                message.try_set_field(field, value).map_err(|error| misfit(error.to_string()))?;
            }
        }
        Ok(message)
    }
}

/// Whether values of `ty` can go to `field`; whether each does is seen when it comes.
fn fits(field: &FieldDescriptor, ty: Type) -> bool {
    if field.is_list() || field.is_map() {
        return ty == Type::Jsonb;
    }
    match field.kind() {
        Kind::Bool => ty == Type::Bool,
        Kind::Double | Kind::Float => matches!(ty, Type::Double | Type::Numeric | Type::Bigint),
        Kind::String => matches!(ty, Type::Text | Type::Numeric | Type::Interval | Type::Jsonb),
        Kind::Bytes => ty == Type::Bytea,
        Kind::Enum(_) => ty == Type::Text,
        Kind::Message(message) => match (message.full_name(), wrapped(&message)) {
            ("google.protobuf.Timestamp", _) => ty == Type::Timestamptz,
            (_, Some(value)) => fits(&value, ty),
            _ => ty == Type::Jsonb,
        },
        _ => matches!(ty, Type::Bigint | Type::Numeric),
    }
}

fn describe(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(names) => names.full_name().to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    match (field.is_map(), field.is_list()) {
        (true, _) => "a map, which takes jsonb".to_owned(),
        (_, true) => format!("repeated {kind}, which takes jsonb"),
        _ => kind,
    }
}

/// `None` leaves the field unset.
fn value(field: &FieldDescriptor, cell: Cell) -> Result<Option<Value>, String> {
    Ok(Some(match (field.kind(), cell) {
        (_, Cell::Null) => return Ok(None),
        (Kind::String, Cell::Jsonb(text)) if !field.is_list() && !field.is_map() => Value::String(text),
        (_, Cell::Jsonb(text)) => return from_json(field, &text),
        (Kind::Message(message), cell) => match wrapped(&message) {
            Some(inner) => {
                let mut wrapper = DynamicMessage::new(message);
                if let Some(value) = value(&inner, cell)? {
                    wrapper.set_field(&inner, value);
                }
                Value::Message(wrapper)
            }
            None => time(message, cell)?,
        },
        (Kind::Enum(names), Cell::Text(text)) => Value::EnumNumber(number(&names, &text)?),
        (Kind::Double, cell) => Value::F64(double(cell)?),
        (Kind::Float, cell) => Value::F32(double(cell)? as f32),
        (_, Cell::Bool(value)) => Value::Bool(value),
        (_, Cell::Bytea(bytes)) => Value::Bytes(bytes.into()),
        (Kind::String, Cell::Text(text) | Cell::Numeric(text)) => Value::String(text),
        (kind, cell) => integer(kind, cell)?,
    }))
}

fn time(message: MessageDescriptor, cell: Cell) -> Result<Value, String> {
    let Cell::Timestamptz(micros) = cell else {
        return Err(format!("{cell:?} is no value for a {}", message.full_name()));
    };
    let mut time = DynamicMessage::new(message);
    time.transcode_from(&timestamp(micros)).map_err(|error| error.to_string())?;
    Ok(Value::Message(time))
}

fn number(names: &EnumDescriptor, text: &str) -> Result<i32, String> {
    names
        .get_value_by_name(text)
        .map(|value| value.number())
        .ok_or_else(|| format!("`{text}` is no value of {}", names.full_name()))
}

fn double(cell: Cell) -> Result<f64, String> {
    match cell {
        Cell::Double(value) => Ok(value),
        Cell::Bigint(value) => Ok(value as f64),
        Cell::Numeric(text) => text.parse().map_err(|_| format!("{text} is no number")),
        other => Err(format!("{other:?} is no number")),
    }
}

fn integer(kind: Kind, cell: Cell) -> Result<Value, String> {
    let value = match &cell {
        Cell::Bigint(value) => i128::from(*value),
        Cell::Numeric(text) => {
            whole(text).ok_or_else(|| format!("{text} is not a whole number: round it in the SQL"))?
        }
        other => return Err(format!("{other:?} is no whole number")),
    };
    let range = |_| format!("{value} does not fit a field of kind {kind:?}");
    Ok(match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(value.try_into().map_err(range)?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(value.try_into().map_err(range)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(value.try_into().map_err(range)?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(value.try_into().map_err(range)?),
        kind => return Err(format!("{cell:?} is no value for a field of kind {kind:?}")),
    })
}

/// A decimal without anything but zeros behind its point.
fn whole(text: &str) -> Option<i128> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|digit| digit == b'0').then(|| digits.parse().ok())?
}

/// Protobuf's JSON mapping reads whole messages, so the field is read as a message of its own.
fn from_json(field: &FieldDescriptor, text: &str) -> Result<Option<Value>, String> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let alone = serde_json::Value::Object([(field.name().to_owned(), json)].into_iter().collect());
    let mut message =
        DynamicMessage::deserialize(field.parent_message().clone(), alone).map_err(|e| e.to_string())?;
    Ok(message.take_field(field))
}

#[cfg(test)]
mod tests;
