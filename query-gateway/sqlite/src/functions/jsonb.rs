//! jsonb, kept as TEXT.

use super::{Scalar, strict};
use crate::{
    json::{self, normalize, quoted, unquoted},
    numeric::Numeric,
    timestamp,
    value::{Failure, Output, Value},
};

pub(super) const FUNCTIONS: &[Scalar] = &[
    strict("pg_jsonb_from_text", 1, |args| normalized(args[0]).map(Output::Text)),
    strict("pg_text_from_jsonb", 1, |args| normalized(args[0]).map(Output::Text)),
    strict("pg_jsonb_get", 2, |args| Ok(get(args)?.map_or(Output::Null, Output::Text))),
    strict("pg_jsonb_get_text", 2, |args| unquoted(get(args)?)),
    // Values by their static type: a boolean is an INTEGER here as a number is. NULL becomes null.
    convert("pg_jsonb_of_bool", |args| or_null(args[0], of_bool)),
    convert("pg_jsonb_of_number", |args| or_null(args[0], of_number)),
    convert("pg_jsonb_of_text", |args| or_null(args[0], |value| Ok(quoted(value.text()?)))),
    convert("pg_jsonb_of_timestamptz", |args| {
        or_null(args[0], |value| Ok(quoted(&timestamp::format_iso(value.integer()?)?)))
    }),
    convert("pg_jsonb_of_jsonb", |args| or_null(args[0], normalized)),
    // Keys, and values that one of the above made: PostgreSQL's jsonb_build_object and jsonb_build_array.
    Scalar { name: "pg_jsonb_build_object", arguments: None, strict: false, body: build_object },
    Scalar { name: "pg_jsonb_build_array", arguments: None, strict: false, body: build_array },
];

const fn convert(name: &'static str, body: fn(&[Value<'_>]) -> Result<Output, Failure>) -> Scalar {
    Scalar { name, arguments: Some(1), strict: false, body }
}

fn or_null(value: Value<'_>, convert: fn(Value<'_>) -> Result<String, Failure>) -> Result<Output, Failure> {
    if value == Value::Null { Ok(Output::Text("null".to_owned())) } else { convert(value).map(Output::Text) }
}

fn normalized(value: Value<'_>) -> Result<String, Failure> {
    normalize(value.text()?)
}

fn of_bool(value: Value<'_>) -> Result<String, Failure> {
    Ok(if value.integer()? == 0 { "false" } else { "true" }.to_owned())
}

fn of_number(value: Value<'_>) -> Result<String, Failure> {
    match value {
        Value::Text(numeric) => Ok(numeric.to_owned()),
        // The shortest digits that read back, without an exponent.
        Value::Real(double) => Numeric::parse(&format!("{double:e}")).map(|number| number.to_string()),
        other => other.integer().map(|integer| integer.to_string()),
    }
}

fn build_object(args: &[Value<'_>]) -> Result<Output, Failure> {
    let mut fields = Vec::with_capacity(args.len() / 2);
    for pair in args.chunks_exact(2) {
        let Value::Text(key) = pair[0] else {
            return Err(Failure("argument of jsonb_build_object: key must not be null".to_owned()));
        };
        fields.push((key, pair[1].text()?.to_owned()));
    }
    Ok(Output::Text(json::encode_object(fields.into_iter())))
}

fn build_array(args: &[Value<'_>]) -> Result<Output, Failure> {
    let items = args.iter().map(|item| item.text().map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    Ok(Output::Text(json::encode_array(items.into_iter())))
}

/// `->` and `->>`: text names a field, a number an element.
fn get(args: &[Value<'_>]) -> Result<Option<String>, Failure> {
    match args[1] {
        Value::Text(key) => json::field(args[0].text()?, key),
        other => json::element(args[0].text()?, other.integer()?),
    }
}
