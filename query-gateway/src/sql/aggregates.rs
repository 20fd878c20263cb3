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
        Some(match name {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "bool_and" | "every" => Self::BoolAnd,
            "bool_or" => Self::BoolOr,
            "string_agg" => Self::StringAgg,
            "jsonb_agg" => Self::JsonbAgg,
            _ => return None,
        })
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::CountRows | Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::BoolAnd => "bool_and",
            Self::BoolOr => "bool_or",
            Self::StringAgg => "string_agg",
            Self::JsonbAgg => "jsonb_agg",
        }
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

/// Functions over a window alone: name, fewest and most arguments.
pub(super) const RANKINGS: &[(&str, usize, usize)] = &[
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
