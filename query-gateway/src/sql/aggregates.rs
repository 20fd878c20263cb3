//! The aggregates, and the functions that need a window.

use super::types::Ty;

/// What an aggregate computes. The variants for numbers differ in the type of their argument: their results do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// `count(*)`: rows.
    CountRows,
    /// `count(x)`: values.
    Count,
    /// `sum`.
    Sum,
    /// `avg`.
    Avg,
    /// `min`.
    Min,
    /// `max`.
    Max,
    /// `bool_and`, `every`.
    BoolAnd,
    /// `bool_or`.
    BoolOr,
    /// `string_agg`.
    StringAgg,
    /// `jsonb_agg`, over values that were made jsonb.
    JsonbAgg,
}

impl AggregateFunction {
    /// By its name in SQL.
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        // `count(*)` alone is not called by a name of its own.
        NAMES.iter().find(|(_, function)| *function == self).map_or("count", |(name, _)| *name)
    }

    /// Type of the argument as it is taken in, and of the result; `None` where PostgreSQL has no such aggregate.
    pub(super) fn types(self, argument: Ty) -> Option<(Ty, Ty)> {
        use Ty::{
            Bigint, Bool, Date, Double, Integer, Interval, Jsonb, Numeric, Text, Timestamptz, Unknown, Whole,
        };
        Some(match (self, argument) {
            (Self::CountRows, ty) => (ty, Bigint),
            (Self::Count, Unknown) => (Text, Bigint),
            (Self::Count, ty) => (ty, Bigint),
            (Self::Sum, Integer) => (Integer, Bigint),
            (Self::Sum, Bigint | Whole) => (argument, Whole),
            (Self::Sum, Numeric | Double) => (argument, argument),
            (Self::Avg, Integer | Bigint | Whole | Numeric) => (argument, Numeric),
            (Self::Avg, Double) => (Double, Double),
            (
                Self::Min | Self::Max,
                Integer | Bigint | Whole | Numeric | Double | Text | Timestamptz | Date | Interval,
            ) => (argument, argument),
            (Self::Min | Self::Max, Unknown) => (Text, Text),
            (Self::BoolAnd | Self::BoolOr, Bool | Unknown) => (Bool, Bool),
            (Self::StringAgg, Text | Unknown) => (Text, Text),
            (Self::JsonbAgg, _) => (Jsonb, Jsonb),
            _ => return None,
        })
    }
}

/// As users call them.
pub(crate) const NAMES: &[(&str, AggregateFunction)] = &[
    ("count", AggregateFunction::Count),
    ("sum", AggregateFunction::Sum),
    ("avg", AggregateFunction::Avg),
    ("min", AggregateFunction::Min),
    ("max", AggregateFunction::Max),
    ("bool_and", AggregateFunction::BoolAnd),
    ("bool_or", AggregateFunction::BoolOr),
    ("every", AggregateFunction::BoolAnd),
    ("string_agg", AggregateFunction::StringAgg),
    ("jsonb_agg", AggregateFunction::JsonbAgg),
];

/// Functions over a window alone: name, fewest and most arguments.
pub(crate) const RANKINGS: &[(&str, usize, usize)] = &[
    ("row_number", 0, 0),
    ("rank", 0, 0),
    ("dense_rank", 0, 0),
    ("ntile", 1, 1),
    ("lag", 1, 3),
    ("lead", 1, 3),
    ("first_value", 1, 1),
    ("last_value", 1, 1),
    ("nth_value", 2, 2),
];
