//! What is read from the wire directly equals what a message decoded as a whole would give, for any order,
//! repetition and splitting of its fields.

use std::collections::BTreeMap;

use prost::encoding::{self, WireType, encode_key, encode_varint};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value as Field,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tributary_proto::feed::v1::Operation;

use super::tables::EVERYTHING;
use crate::schema::{
    Schema, Value,
    fixture::{Published, publish, rounds},
};

type Row = BTreeMap<String, Value>;
type Tables = BTreeMap<String, Vec<Row>>;

#[test]
fn wire_and_message_give_the_same_rows() {
    let published = publish(EVERYTHING);
    let schema = published.schema().unwrap();
    let mut decodable = 0;
    for seed in rounds(2_000) {
        let wire = wire(published.message("things"), &mut StdRng::seed_from_u64(seed), 0);
        let actual = actual(&published, &schema, wire.clone());
        let message = DynamicMessage::decode(published.message("things").clone(), wire.as_slice());
        let expected = message.map_err(|e| e.to_string()).and_then(|message| expected(&message));
        assert_eq!(actual.as_ref().ok(), expected.as_ref().ok(), "SEED={seed} {actual:?} {expected:?}");
        decodable += u64::from(actual.is_ok());
    }
    assert!(decodable > 0);
}

fn actual(published: &Published, schema: &Schema, wire: Vec<u8>) -> Result<Tables, String> {
    let change = published.change(1, "things", Operation::Upsert, wire);
    let image = schema.decode(&change).map_err(|error| error.to_string())?;
    let mut tables = Tables::new();
    for (table, rows) in schema.tables().zip(image.rows.unwrap()) {
        let names = table.columns().iter().map(|column| column.name.clone());
        let rows = rows.into_iter().map(|row| names.clone().zip(row).collect());
        tables.insert(table.name().to_owned(), rows.collect());
    }
    Ok(tables)
}

/// The same, written down plainly for this one message.
fn expected(thing: &DynamicMessage) -> Result<Tables, String> {
    let mut tables = Tables::new();
    let mut row = Row::new();
    flat(thing, "", &["parts", "secret", "camelCase", "box"], &mut row)?;
    row.insert("renamed".to_owned(), scalar(thing, "camelCase")?);
    let id = scalar(thing, "id")?;
    let mut labels = Vec::new();
    let inner = thing.get_field_by_name("box").unwrap();
    if thing.has_field_by_name("box") {
        row.insert("box_width".to_owned(), scalar(inner.as_message().unwrap(), "width")?);
        labels = children(inner.as_message().unwrap(), "labels", &[("id", &id)])?;
    } else {
        row.insert("box_width".to_owned(), Value::Null);
    }
    let (mut parts, mut words) = (Vec::new(), Vec::new());
    let mut numbers = std::collections::HashSet::new();
    for part in thing.get_field_by_name("parts").unwrap().as_list().unwrap() {
        let part = part.as_message().unwrap();
        let number = scalar(part, "number")?;
        if !numbers.insert(number.clone()) {
            return Err("twice".to_owned());
        }
        let mut row = Row::from([("id".to_owned(), id.clone())]);
        flat(part, "", &["words"], &mut row)?;
        words.extend(children(part, "words", &[("id", &id), ("number", &number)])?);
        parts.push(row);
    }
    tables.insert("things".to_owned(), vec![row]);
    tables.insert("things_parts".to_owned(), parts);
    tables.insert("words".to_owned(), words);
    tables.insert("things_box_labels".to_owned(), labels);
    Ok(tables)
}

fn children(message: &DynamicMessage, name: &str, key: &[(&str, &Value)]) -> Result<Vec<Row>, String> {
    let list = message.get_field_by_name(name).unwrap();
    let rows = (1..).zip(list.as_list().unwrap()).map(|(ordinal, child)| {
        let mut row: Row = key.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect();
        row.insert("ordinal".to_owned(), Value::Integer(ordinal));
        flat(child.as_message().unwrap(), "", &[], &mut row)?;
        Ok(row)
    });
    rows.collect()
}

/// Columns of the fields of `message` but `without`.
fn flat(message: &DynamicMessage, prefix: &str, without: &[&str], row: &mut Row) -> Result<(), String> {
    let json = serde_json::to_value(message).map_err(|error| error.to_string())?;
    for field in message.descriptor().fields().filter(|field| !without.contains(&field.name())) {
        let name = format!("{prefix}{}", field.name());
        let nested = match field.kind() {
            Kind::Message(nested) if nested.name() == "Price" && !field.is_list() && !field.is_map() => {
                Some(nested)
            }
            _ => None,
        };
        if let Some(nested) = nested {
            if message.has_field(&field) {
                flat(message.get_field(&field).as_message().unwrap(), &format!("{name}_"), &[], row)?;
            } else {
                row.extend(nested.fields().map(|inner| (format!("{name}_{}", inner.name()), Value::Null)));
            }
        } else {
            row.insert(name, column(message, &field, &json)?);
        }
    }
    Ok(())
}

fn column(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    json: &serde_json::Value,
) -> Result<Value, String> {
    if field.supports_presence() && !message.has_field(field) {
        return Ok(Value::Null);
    }
    let value = message.get_field(field);
    match field.kind() {
        _ if field.is_list() || field.is_map() => {
            let empty = if field.is_map() { "{}" } else { "[]" };
            Ok(Value::Text(json.get(field.json_name()).map_or(empty.to_owned(), ToString::to_string)))
        }
        Kind::Message(nested) => match nested.name() {
            "Timestamp" => {
                let time = value.as_message().unwrap();
                let seconds = time.get_field_by_name("seconds").unwrap().as_i64().unwrap();
                let nanos = time.get_field_by_name("nanos").unwrap().as_i32().unwrap();
                Ok(Value::Integer(seconds * 1_000_000 + i64::from(nanos) / 1_000))
            }
            name if name.ends_with("Value") && name != "Value" => {
                scalar(value.as_message().unwrap(), "value")
            }
            _ => Ok(Value::Text(json[field.json_name()].to_string())),
        },
        _ => scalar(message, field.name()),
    }
}

fn scalar(message: &DynamicMessage, name: &str) -> Result<Value, String> {
    let field = message.descriptor().get_field_by_name(name).unwrap();
    Ok(match message.get_field(&field).as_ref() {
        Field::Bool(value) => Value::Integer(i64::from(*value)),
        Field::I32(value) => Value::Integer(i64::from(*value)),
        Field::I64(value) => Value::Integer(*value),
        Field::U32(value) => Value::Integer(i64::from(*value)),
        Field::U64(value) => Value::Integer(i64::try_from(*value).map_err(|error| error.to_string())?),
        Field::F32(value) => Value::Real(f64::from(*value)),
        Field::F64(value) => Value::Real(*value),
        Field::String(value) => Value::Text(value.clone()),
        Field::Bytes(value) => Value::Blob(value.to_vec()),
        Field::EnumNumber(number) => {
            let kind = field.kind();
            let known = kind.as_enum().unwrap().get_value(*number);
            Value::Text(known.map_or(number.to_string(), |value| value.name().to_owned()))
        }
        other => panic!("{other:?} is no scalar"),
    })
}

/// Fields in any order, as often as it comes.
fn wire(message: &MessageDescriptor, random: &mut StdRng, depth: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let fields: Vec<_> = message.fields().collect();
    if message.full_name() == "google.protobuf.Timestamp" {
        encode_key(1, WireType::Varint, &mut wire);
        encode_varint(random.random_range(-62_135_596_800_i64..=253_402_300_799).cast_unsigned(), &mut wire);
        return wire;
    }
    let most = if depth > 3 {
        0
    } else if depth == 0 {
        40
    } else {
        4
    };
    for _ in 0..random.random_range(0..=most) {
        match random.random_range(0..20) {
            0 => encoding::string::encode(900, &"unknown".to_owned(), &mut wire),
            _ if fields.is_empty() => {}
            _ => occurrence(&fields[random.random_range(0..fields.len())], random, depth, &mut wire),
        }
    }
    wire
}

fn occurrence(field: &FieldDescriptor, random: &mut StdRng, depth: usize, wire: &mut Vec<u8>) {
    let number = field.number();
    let payload = match field.kind() {
        Kind::Message(nested) => self::wire(&nested, random, depth + 1),
        Kind::String => ["", "a", "b", "\u{e4}\u{1f600}"][random.random_range(0..4)].into(),
        Kind::Bytes => vec![random.random(); random.random_range(0..3)],
        // Packed and not are the same to a reader.
        _ if field.is_list() && random.random() => {
            (0..random.random_range(0..3)).flat_map(|_| number_of(field, random)).collect()
        }
        _ => {
            let value = number_of(field, random);
            encode_key(number, field.kind().wire_type(), wire);
            wire.extend(value);
            return;
        }
    };
    encode_key(number, WireType::LengthDelimited, wire);
    encode_varint(payload.len() as u64, wire);
    wire.extend(payload);
}

fn number_of(field: &FieldDescriptor, random: &mut StdRng) -> Vec<u8> {
    let (mut bytes, any) = (Vec::new(), random.random::<u64>());
    match field.kind() {
        Kind::Float => bytes.extend(random.random_range(-1e3_f32..1e3).to_le_bytes()),
        Kind::Double => bytes.extend(random.random_range(-1e9_f64..1e9).to_le_bytes()),
        Kind::Fixed32 | Kind::Sfixed32 => bytes.extend(random.random::<u32>().to_le_bytes()),
        // What no bigint can hold is refused even if a later occurrence replaces it; that is another test.
        Kind::Fixed64 | Kind::Sfixed64 => bytes.extend((any >> random.random_range(1..64)).to_le_bytes()),
        Kind::Uint64 => encode_varint(any >> random.random_range(1..64), &mut bytes),
        Kind::Enum(_) | Kind::Bool => encode_varint(random.random_range(0..4), &mut bytes),
        _ => encode_varint(any >> random.random_range(0..64), &mut bytes),
    }
    bytes
}
