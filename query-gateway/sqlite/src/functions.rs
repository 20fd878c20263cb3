//! Every function that is registered with SQLite, one table per subject. Their names start with `pg_`: each behaves
//! as its PostgreSQL namesake, which SQLite's own of that name does not. What PostgreSQL has not, and views are kept with,
//! starts with `tributary_`.

mod cast;
mod choice;
mod double;
mod integer;
mod jsonb;
mod numeric;
mod temporal;
mod text;

pub use cast::{parse_bigint, parse_bool, parse_double};
pub use text::like;

use crate::value::{Failure, Output, Value};

/// A function of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar {
    pub(crate) name: &'static str,
    /// `None`: any number.
    pub(crate) arguments: Option<u8>,
    /// Whether one NULL argument makes the result NULL without a call.
    pub(crate) strict: bool,
    pub(crate) body: fn(&[Value<'_>]) -> Result<Output, Failure>,
}

/// A strict function of a fixed number of arguments: nearly all are.
const fn strict(
    name: &'static str,
    arguments: u8,
    body: fn(&[Value<'_>]) -> Result<Output, Failure>,
) -> Scalar {
    Scalar { name, arguments: Some(arguments), strict: true, body }
}

/// All of them.
pub(crate) fn scalars() -> impl Iterator<Item = &'static Scalar> {
    let tables: [&'static [Scalar]; 8] = [
        integer::FUNCTIONS,
        double::FUNCTIONS,
        numeric::FUNCTIONS,
        cast::FUNCTIONS,
        text::FUNCTIONS,
        temporal::FUNCTIONS,
        jsonb::FUNCTIONS,
        choice::FUNCTIONS,
    ];
    tables.into_iter().flatten()
}

/// What SQLite computes as PostgreSQL does, so that it is not registered but allowed.
pub(crate) const NATIVE: &[&str] = &[
    "abs",
    "avg",
    "btrim",
    "cast",
    "coalesce",
    "count",
    "dense_rank",
    "first_value",
    "ifnull",
    "iif",
    "lag",
    "last_value",
    "lead",
    "length",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "rank",
    "replace",
    "row_number",
    "rtrim",
    "string_agg",
    "sum",
    "total",
    "trim",
];

#[cfg(test)]
mod tests;
