//! numeric arithmetic. Arguments come in two forms (INTEGER for a whole number, TEXT), results are TEXT.

use super::{Scalar, strict};
use crate::{
    numeric::Numeric,
    tally::Tally,
    value::{Failure, Output, Value},
};

pub(super) const FUNCTIONS: &[Scalar] = &[
    // One form for comparisons: the collation works on TEXT alone.
    strict("pg_numeric", 1, |args| match args[0] {
        Value::Text(text) => Ok(Output::Text(text.to_owned())),
        other => output(Numeric::from_value(other)?),
    }),
    strict("pg_numeric_fit", 3, |args| {
        output(Numeric::from_value(args[0])?.fit(args[1].integer()?, args[2].integer()?)?)
    }),
    strict("pg_add_numeric", 2, |args| binary(args, Numeric::add)),
    strict("pg_sub_numeric", 2, |args| binary(args, Numeric::sub)),
    strict("pg_mul_numeric", 2, |args| binary(args, Numeric::mul)),
    strict("pg_div_numeric", 2, |args| binary(args, Numeric::div)),
    strict("pg_mod_numeric", 2, |args| binary(args, Numeric::rem)),
    strict("pg_neg_numeric", 1, |args| output(Numeric::from_value(args[0])?.neg())),
    strict("pg_abs_numeric", 1, |args| output(Numeric::from_value(args[0])?.abs())),
    strict("pg_floor_numeric", 1, |args| output(Numeric::from_value(args[0])?.floor())),
    strict("pg_ceil_numeric", 1, |args| output(Numeric::from_value(args[0])?.ceil())),
    strict("pg_round_numeric", 1, |args| output(Numeric::from_value(args[0])?.round(0))),
    strict("pg_trunc_numeric", 1, |args| output(Numeric::from_value(args[0])?.trunc(0))),
    strict("pg_round_numeric", 2, |args| output(Numeric::from_value(args[0])?.round(args[1].integer()?))),
    strict("pg_trunc_numeric", 2, |args| output(Numeric::from_value(args[0])?.trunc(args[1].integer()?))),
    // What materialized views keep of SUM(numeric).
    Scalar {
        name: "tributary_tally",
        arguments: Some(2),
        strict: false,
        body: |args| Ok(Output::from(&Tally::of(args[0], args[1].integer()?)?)),
    },
    strict("tributary_tally_add", 2, |args| {
        let mut tally = Tally::parse(args[0].text()?)?;
        tally.add(&Tally::parse(args[1].text()?)?)?;
        Ok(Output::from(&tally))
    }),
    strict("tributary_tally_sum", 1, |args| output(Tally::parse(args[0].text()?)?.sum())),
];

fn binary(
    args: &[Value<'_>],
    operation: fn(&Numeric, &Numeric) -> Result<Numeric, Failure>,
) -> Result<Output, Failure> {
    output(operation(&Numeric::from_value(args[0])?, &Numeric::from_value(args[1])?)?)
}

#[expect(clippy::unnecessary_wraps, reason = "the last expression of every body")]
fn output(value: Numeric) -> Result<Output, Failure> {
    Ok(Output::Text(value.to_string()))
}
