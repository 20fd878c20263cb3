//! Casts, `pg_<to>_from_<from>`: what does not convert is an error, never 0.

use super::{Scalar, strict};
use crate::{
    interval::Interval,
    numeric::Numeric,
    timestamp,
    value::{Failure, Output, Value},
};

pub(super) const FUNCTIONS: &[Scalar] = &[
    strict("pg_bigint_from_text", 1, |args| parse_bigint(args[0].text()?).map(Output::Integer)),
    strict("pg_bigint_from_double", 1, |args| bigint_from_double(args[0].real()?).map(Output::Integer)),
    strict("pg_bigint_from_numeric", 1, |args| {
        Numeric::from_value(args[0])?.to_bigint().map(Output::Integer)
    }),
    strict("pg_double_from_text", 1, |args| parse_double(args[0].text()?).map(Output::Real)),
    strict("pg_double_from_numeric", 1, |args| Numeric::from_value(args[0])?.to_double().map(Output::Real)),
    strict("pg_numeric_from_text", 1, |args| numeric(Numeric::parse(args[0].text()?))),
    strict("pg_numeric_from_double", 1, |args| numeric(Numeric::from_double(args[0].real()?))),
    strict("pg_bool_from_text", 1, |args| parse_bool(args[0].text()?).map(Output::from)),
    strict("pg_timestamptz_from_text", 1, |args| timestamp::parse(args[0].text()?).map(Output::Integer)),
    strict("pg_interval_from_text", 1, |args| {
        Interval::parse(args[0].text()?).map(|interval| Output::Text(interval.to_string()))
    }),
    strict("pg_text_from_bool", 1, |args| {
        Ok(Output::Text(if args[0].integer()? == 0 { "false" } else { "true" }.to_owned()))
    }),
    strict("pg_text_from_double", 1, |args| Ok(Output::Text(format_double(args[0].real()?)))),
    strict("pg_text_from_timestamptz", 1, |args| timestamp::format(args[0].integer()?).map(Output::Text)),
    strict("pg_text_from_date", 1, |args| timestamp::format_date(args[0].integer()?).map(Output::Text)),
    strict("pg_text_from_bytea", 1, |args| match args[0] {
        Value::Blob(bytes) => Ok(Output::Text(hex(bytes))),
        other => other.text().map(|text| Output::Text(text.to_owned())),
    }),
];

/// Reads a bigint, with blanks around it.
pub fn parse_bigint(text: &str) -> Result<i64, Failure> {
    text.trim_ascii().parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
            Failure(format!("value \"{text}\" is out of range for type bigint"))
        }
        _ => Failure::invalid("bigint", text),
    })
}

/// Reads a double. NaN is refused: SQLite has no place for it.
pub fn parse_double(text: &str) -> Result<f64, Failure> {
    let trimmed = text.trim_ascii();
    let value: f64 = trimmed.parse().map_err(|_| Failure::invalid("double precision", text))?;
    if value.is_nan() {
        return Err(Failure::invalid("double precision", text));
    }
    let spelled_out = trimmed.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    if value.is_infinite() && !spelled_out {
        return Err(Failure(format!("\"{text}\" is out of range for type double precision")));
    }
    Ok(value)
}

/// Reads a boolean: any unambiguous start of true, false, yes, no; on, off, 1, 0.
pub fn parse_bool(text: &str) -> Result<bool, Failure> {
    let lower = text.trim_ascii().to_ascii_lowercase();
    let starts = |word: &str| !lower.is_empty() && word.starts_with(&lower);
    match lower.as_str() {
        "on" | "1" => Ok(true),
        "of" | "off" | "0" => Ok(false),
        _ if starts("true") || starts("yes") => Ok(true),
        _ if starts("false") || starts("no") => Ok(false),
        _ => Err(Failure::invalid("boolean", text)),
    }
}

/// Half to even, as PostgreSQL rounds doubles.
#[expect(clippy::cast_possible_truncation, reason = "checked in the line before")]
fn bigint_from_double(value: f64) -> Result<i64, Failure> {
    let rounded = value.round_ties_even();
    let bounds = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    if bounds.contains(&rounded) { Ok(rounded as i64) } else { Err(Failure::out_of_range("bigint")) }
}

/// The shortest digits that read back as the same double; with an exponent from 1e+15 on and below 1e-04.
pub(crate) fn format_double(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 || (-4..15).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn numeric(value: Result<Numeric, Failure>) -> Result<Output, Failure> {
    value.map(|value| Output::Text(value.to_string()))
}
