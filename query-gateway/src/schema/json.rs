//! Columns of JSON: the wire form of one field, in the proto3 mapping.

use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};

use super::Value;

/// The field of `message` that JSON calls `name`, from all its occurrences on the wire. `None` if it is
/// not there.
pub(super) fn field(message: &MessageDescriptor, name: &str, wire: &[u8]) -> Result<Option<Value>, String> {
    let decoded = DynamicMessage::decode(message.clone(), wire).map_err(|error| error.to_string())?;
    let mut json = decoded
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .map_err(|error| error.to_string())?;
    let value = json.as_object_mut().and_then(|fields| fields.remove(name));
    Ok(value.map(|mut value| {
        // Maps come in random order; the same entity must always be the same row.
        value.sort_all_objects();
        Value::Text(value.to_string())
    }))
}
