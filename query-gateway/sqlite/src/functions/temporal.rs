//! Timestamps (INTEGER microseconds) and intervals (TEXT in PostgreSQL's style).

use super::{Scalar, strict};
use crate::{
    interval::{DAY, Interval},
    numeric::Numeric,
    timestamp,
    value::{Failure, Output, Value},
};

pub(super) const FUNCTIONS: &[Scalar] = &[
    strict("pg_date_trunc", 2, |args| {
        timestamp::truncate(args[0].text()?, args[1].integer()?).map(Output::Integer)
    }),
    // Fields that are whole numbers by their names are INTEGER, see the front-end's types; the others TEXT.
    strict("pg_extract", 2, |args| numeric(timestamp::extract(args[0].text()?, args[1].integer()?)?)),
    strict("pg_extract_whole", 2, |args| {
        timestamp::extract(args[0].text()?, args[1].integer()?)?.to_bigint().map(Output::Integer)
    }),
    strict("pg_extract_interval", 2, |args| numeric(interval(args[1])?.extract(args[0].text()?)?)),
    strict("pg_date_bin", 3, |args| {
        timestamp::bin(interval(args[0])?, args[1].integer()?, args[2].integer()?).map(Output::Integer)
    }),
    strict("pg_add_timestamptz", 2, |args| {
        timestamp::add(args[0].integer()?, interval(args[1])?).map(Output::Integer)
    }),
    strict("pg_sub_timestamptz", 2, |args| {
        timestamp::add(args[0].integer()?, interval(args[1])?.negated()?).map(Output::Integer)
    }),
    strict("pg_diff_timestamptz", 2, |args| {
        Ok(output(timestamp::difference(args[0].integer()?, args[1].integer()?)?))
    }),
    strict("pg_timestamptz_from_epoch", 1, |args| {
        timestamp::from_epoch(args[0].real()?).map(Output::Integer)
    }),
    strict("pg_to_char", 2, |args| timestamp::to_char(args[0].integer()?, args[1].text()?).map(Output::Text)),
    strict("pg_add_date", 2, |args| shift_date(args[0].integer()?, args[1].integer()?)),
    strict("pg_diff_date", 2, |args| Ok(Output::Integer((args[0].integer()? - args[1].integer()?) / DAY))),
    strict("pg_add_interval", 2, |args| Ok(output(interval(args[0])?.plus(interval(args[1])?)?))),
    strict("pg_sub_interval", 2, |args| Ok(output(interval(args[0])?.plus(interval(args[1])?.negated()?)?))),
    strict("pg_mul_interval", 2, |args| Ok(output(interval(args[0])?.times(args[1].real()?)?))),
    strict("pg_neg_interval", 1, |args| Ok(output(interval(args[0])?.negated()?))),
];

fn interval(value: Value<'_>) -> Result<Interval, Failure> {
    Interval::parse(value.text()?)
}

fn output(value: Interval) -> Output {
    Output::Text(value.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "the last expression of every body")]
fn numeric(value: Numeric) -> Result<Output, Failure> {
    Ok(Output::Text(value.to_string()))
}

/// A date and a number of days, which may be negative.
fn shift_date(date: i64, days: i64) -> Result<Output, Failure> {
    timestamp::add(date, Interval { months: 0, days, micros: 0 }).map(Output::Integer)
}
