//! `jsonb` as text: PostgreSQL's order of keys (by length, then bytes), its spaces, and every digit of a number.
//!
//! Documents are taken apart level by level as raw text: numbers never pass through doubles.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{
    numeric::Numeric,
    value::{Failure, Output},
};

/// Documents within one another; each level costs stack.
const MAX_DEPTH: usize = 128;

/// A document as PostgreSQL writes it; of a repeated key the last value counts.
pub fn normalize(text: &str) -> Result<String, Failure> {
    normalize_at(raw(text)?.get(), 0)
}

fn raw(text: &str) -> Result<&RawValue, Failure> {
    serde_json::from_str(text).map_err(|_| invalid())
}

fn invalid() -> Failure {
    Failure("invalid input syntax for type json".to_owned())
}

fn normalize_at(text: &str, depth: usize) -> Result<String, Failure> {
    if depth == MAX_DEPTH {
        return Err(Failure(format!("json is nested more than {MAX_DEPTH} levels deep")));
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields = fields(text)?;
            let normalized =
                fields.iter().map(|(key, value)| Ok((key.as_str(), normalize_at(value.get(), depth + 1)?)));
            Ok(encode_object(normalized.collect::<Result<Vec<_>, Failure>>()?.into_iter()))
        }
        Some(b'[') => {
            let items = items(text)?.into_iter().map(|item| normalize_at(item.get(), depth + 1));
            Ok(encode_array(items.collect::<Result<Vec<_>, Failure>>()?.into_iter()))
        }
        Some(b'"') => Ok(quoted(&unquote(text)?)),
        Some(b't' | b'f' | b'n') => Ok(text.to_owned()),
        _ => Numeric::parse(text).map(|number| number.to_string()),
    }
}

fn fields(object: &str) -> Result<BTreeMap<String, &RawValue>, Failure> {
    serde_json::from_str(object).map_err(|_| invalid())
}

fn items(array: &str) -> Result<Vec<&RawValue>, Failure> {
    serde_json::from_str(array).map_err(|_| invalid())
}

fn unquote(text: &str) -> Result<String, Failure> {
    serde_json::from_str(text).map_err(|_| invalid())
}

/// Text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An object of documents that are normalized already.
pub(crate) fn encode_object<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> String {
    let sorted: BTreeMap<(usize, &str), String> =
        fields.map(|(key, value)| ((key.len(), key), value)).collect();
    let fields = sorted.into_iter().map(|((_, key), value)| format!("{}: {value}", quoted(key)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// An array of documents that are normalized already.
pub(crate) fn encode_array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A field by its name, as it stands in the document.
pub(crate) fn field(document: &str, key: &str) -> Result<Option<String>, Failure> {
    let document = raw(document)?.get();
    if !document.starts_with('{') {
        return Ok(None);
    }
    fields(document)?.get(key).map(|value| normalize(value.get())).transpose()
}

/// An element by its number, negative from the end. To PostgreSQL a scalar is its own only element.
pub(crate) fn element(document: &str, at: i64) -> Result<Option<String>, Failure> {
    let whole = raw(document)?;
    let items = match whole.get().as_bytes().first() {
        Some(b'[') => items(whole.get())?,
        Some(b'{') => return Ok(None),
        _ => vec![whole],
    };
    let at = if at < 0 { at.checked_add(items.len() as i64) } else { Some(at) };
    let item = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| items.get(at));
    item.map(|item| normalize(item.get())).transpose()
}

/// What `->>` gives: text without quotes, NULL for null.
pub(crate) fn unquoted(document: Option<String>) -> Result<Output, Failure> {
    Ok(match document.as_deref() {
        None | Some("null") => Output::Null,
        Some(text) if text.starts_with('"') => Output::Text(unquote(text)?),
        Some(text) => Output::Text(text.to_owned()),
    })
}
