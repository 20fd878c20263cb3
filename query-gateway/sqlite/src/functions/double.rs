//! double precision: PostgreSQL fails where IEEE 754 would go on with infinity or NaN (which SQLite turns into NULL).

use super::{Scalar, strict};
use crate::value::{Failure, Output, Value};

pub(super) const FUNCTIONS: &[Scalar] = &[
    strict("pg_add_double", 2, |args| checked(args, |left, right| left + right)),
    strict("pg_sub_double", 2, |args| checked(args, |left, right| left - right)),
    strict("pg_mul_double", 2, |args| checked(args, |left, right| left * right)),
    strict("pg_div_double", 2, |args| {
        if args[1].real()? == 0.0 {
            Err(Failure::division_by_zero())
        } else {
            checked(args, |left, right| left / right)
        }
    }),
    strict("pg_neg_double", 1, |args| Ok(Output::Real(-args[0].real()?))),
    strict("pg_round_double", 1, |args| Ok(Output::Real(args[0].real()?.round_ties_even()))),
    strict("pg_trunc_double", 1, |args| Ok(Output::Real(args[0].real()?.trunc()))),
    strict("pg_floor_double", 1, |args| Ok(Output::Real(args[0].real()?.floor()))),
    strict("pg_ceil_double", 1, |args| Ok(Output::Real(args[0].real()?.ceil()))),
    strict("pg_sqrt_double", 1, |args| match args[0].real()? {
        value if value < 0.0 => Err(Failure("cannot take square root of a negative number".to_owned())),
        value => Ok(Output::Real(value.sqrt())),
    }),
    strict("pg_power_double", 2, |args| checked(args, f64::powf)),
];

fn checked(args: &[Value<'_>], operation: fn(f64, f64) -> f64) -> Result<Output, Failure> {
    let (left, right) = (args[0].real()?, args[1].real()?);
    let result = operation(left, right);
    if result.is_nan() || (result.is_infinite() && left.is_finite() && right.is_finite()) {
        return Err(Failure("value out of range: overflow".to_owned()));
    }
    Ok(Output::Real(result))
}
