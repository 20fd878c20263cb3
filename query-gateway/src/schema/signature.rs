//! What a field is, as a text that changes whenever the same bytes would become another value.

use std::{collections::HashSet, fmt::Write as _};

use prost_reflect::{FieldDescriptor, Kind};

/// The signature of a field, with those of all fields and enum values beneath it.
pub(super) fn of(field: &FieldDescriptor) -> String {
    let mut text = String::new();
    write(field, &mut HashSet::new(), &mut text);
    text
}

fn write(field: &FieldDescriptor, seen: &mut HashSet<String>, text: &mut String) {
    // A write into a string cannot fail.
    let _ = write!(text, "{}:{:?}:", field.number(), field.cardinality());
    match field.kind() {
        Kind::Enum(descriptor) => {
            text.push_str("enum(");
            for value in &descriptor.enum_descriptor_proto().value {
                let _ = write!(text, "{}={},", value.number(), value.name());
            }
            text.push(')');
        }
        Kind::Message(message) => {
            text.push_str(message.full_name());
            if seen.insert(message.full_name().to_owned()) {
                text.push('(');
                for field in message.fields() {
                    let _ = write!(text, "{}:", field.json_name());
                    write(&field, seen, text);
                    text.push(',');
                }
                text.push(')');
            }
        }
        scalar => {
            let _ = write!(text, "{scalar:?}");
        }
    }
}
