//! `jsonb` as text: PostgreSQL's order of keys (by length, then bytes) and spaces.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    numeric::Numeric,
    value::{Failure, Output},
};

/// Reads a JSON document; of a repeated key the last value counts.
pub(crate) fn parse(text: &str) -> Result<Json, Failure> {
    serde_json::from_str(text).map_err(|_| Failure("invalid input syntax for type json".to_owned()))
}

/// Writes a document as PostgreSQL does.
pub(crate) fn encode(json: &Json) -> String {
    match json {
        Json::Object(object) => {
            encode_object(object.iter().map(|(key, value)| (key.as_str(), encode(value))))
        }
        Json::Array(array) => encode_array(array.iter().map(encode)),
        // Digits in full, without an exponent.
        Json::Number(number) => {
            let digits = number.to_string();
            Numeric::parse(&digits).map_or(digits, |numeric| numeric.to_string())
        }
        other => other.to_string(),
    }
}

/// Values are documents as text already, so that no digit of a numeric is lost.
pub(crate) fn encode_object<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> String {
    let sorted: BTreeMap<(usize, &str), String> =
        fields.map(|(key, value)| ((key.len(), key), value)).collect();
    let fields = sorted.into_iter().map(|((_, key), value)| format!("{}: {value}", Json::from(key)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// See [`encode_object`].
pub(crate) fn encode_array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A field by its name.
pub(crate) fn field(json: Json, key: &str) -> Option<Json> {
    match json {
        Json::Object(mut object) => object.remove(key),
        _ => None,
    }
}

/// An element by its number, negative from the end.
pub(crate) fn element(json: Json, at: i64) -> Option<Json> {
    let Json::Array(mut array) = json else { return None };
    let at = if at < 0 { at.checked_add(array.len() as i64)? } else { at };
    let at = usize::try_from(at).ok().filter(|at| *at < array.len())?;
    Some(array.swap_remove(at))
}

/// What `->>` gives: text without quotes, NULL for null.
pub(crate) fn unquoted(json: Option<Json>) -> Output {
    match json {
        None | Some(Json::Null) => Output::Null,
        Some(Json::String(text)) => Output::Text(text),
        Some(json) => Output::Text(encode(&json)),
    }
}
