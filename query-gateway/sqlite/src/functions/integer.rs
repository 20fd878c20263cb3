//! bigint arithmetic: SQLite would go over to doubles on overflow, and to NULL on division by zero.

use super::{Scalar, strict};
use crate::value::{Failure, Output, Value};

pub(super) const FUNCTIONS: &[Scalar] = &[
    strict("pg_add_bigint", 2, |args| checked(args, i64::checked_add)),
    strict("pg_sub_bigint", 2, |args| checked(args, i64::checked_sub)),
    strict("pg_mul_bigint", 2, |args| checked(args, i64::checked_mul)),
    strict("pg_div_bigint", 2, |args| divided(args, i64::checked_div)),
    // The remainder of the smallest bigint by -1 is 0, though the division overflows.
    strict("pg_mod_bigint", 2, |args| divided(args, |left, right| Some(left.wrapping_rem(right)))),
    strict("pg_neg_bigint", 1, |args| {
        args[0].integer()?.checked_neg().map(Output::Integer).ok_or_else(out_of_range)
    }),
];

fn checked(args: &[Value<'_>], operation: fn(i64, i64) -> Option<i64>) -> Result<Output, Failure> {
    operation(args[0].integer()?, args[1].integer()?).map(Output::Integer).ok_or_else(out_of_range)
}

fn divided(args: &[Value<'_>], operation: fn(i64, i64) -> Option<i64>) -> Result<Output, Failure> {
    if args[1].integer()? == 0 {
        return Err(Failure::division_by_zero());
    }
    checked(args, operation)
}

fn out_of_range() -> Failure {
    Failure::out_of_range("bigint")
}
