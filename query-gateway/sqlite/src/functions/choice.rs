//! Choices among values: GREATEST and LEAST, which leave NULLs out (SQLite's `max` and `min` do not), and bounds of rows.

use std::cmp::Ordering;

use super::Scalar;
use crate::{
    interval, numeric,
    value::{Failure, Output, Value},
};

/// How two values of one static type compare.
type Compare = fn(&Value<'_>, &Value<'_>) -> Ordering;

pub(super) const FUNCTIONS: &[Scalar] = &[
    choice("pg_greatest", |args| pick(args, native, Ordering::Greater)),
    choice("pg_least", |args| pick(args, native, Ordering::Less)),
    choice("pg_greatest_numeric", |args| pick(args, by_numeric, Ordering::Greater)),
    choice("pg_least_numeric", |args| pick(args, by_numeric, Ordering::Less)),
    choice("pg_greatest_interval", |args| pick(args, by_interval, Ordering::Greater)),
    choice("pg_least_interval", |args| pick(args, by_interval, Ordering::Less)),
    // SQLite takes a negative LIMIT for none, and refuses NULL, which is PostgreSQL's none.
    Scalar { name: "pg_limit", arguments: Some(1), strict: false, body: |args| bound(args[0], "LIMIT", -1) },
    // Of ours, for tables that count what they hold: a count that went below nothing is a defect, which must not be kept.
    Scalar { name: "tributary_emptied", arguments: Some(1), strict: true, body: |args| emptied(args[0]) },
    Scalar { name: "pg_offset", arguments: Some(1), strict: false, body: |args| bound(args[0], "OFFSET", 0) },
];

fn emptied(count: Value<'_>) -> Result<Output, Failure> {
    match count.integer()? {
        0 => Ok(true.into()),
        count if count > 0 => Ok(false.into()),
        count => Err(Failure(format!("internal error: a group has {count} rows"))),
    }
}

fn bound(value: Value<'_>, clause: &str, none: i64) -> Result<Output, Failure> {
    match value {
        Value::Null => Ok(Output::Integer(none)),
        value => match value.integer()? {
            count if count < 0 => Err(Failure(format!("{clause} must not be negative"))),
            count => Ok(Output::Integer(count)),
        },
    }
}

const fn choice(name: &'static str, body: fn(&[Value<'_>]) -> Result<Output, Failure>) -> Scalar {
    Scalar { name, arguments: None, strict: false, body }
}

/// The first of the best.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a body")]
fn pick(args: &[Value<'_>], compare: Compare, better: Ordering) -> Result<Output, Failure> {
    let present = args.iter().filter(|value| **value != Value::Null);
    let best = present.reduce(|best, value| if compare(value, best) == better { value } else { best });
    Ok(best.map_or(Output::Null, |best| best.to_output()))
}

fn native(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (left, right) => match (left.real(), right.real()) {
            (Ok(left), Ok(right)) => left.total_cmp(&right),
            _ => Ordering::Equal,
        },
    }
}

fn by_numeric(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    by_text(left, right, numeric::collate)
}

fn by_interval(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    by_text(left, right, interval::collate)
}

fn by_text(left: &Value<'_>, right: &Value<'_>, collate: fn(&str, &str) -> Ordering) -> Ordering {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => collate(left, right),
        _ => Ordering::Equal,
    }
}
