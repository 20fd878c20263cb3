//! The types of expressions, and which converts to which.

use std::fmt;

use crate::catalog::Type;

/// The type of an expression: the catalog's, and three that only arise within a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// boolean.
    Bool,
    /// integer, of which are small literals and lengths: SUM of it is bigint. To users it is bigint, and it overflows as
    /// one.
    Integer,
    /// bigint.
    Bigint,
    /// numeric of scale 0 whose value fits a bigint, as SUM(bigint): to users it is numeric, a store may keep it as an
    /// integer.
    Whole,
    /// numeric.
    Numeric,
    /// double precision.
    Double,
    /// text.
    Text,
    /// bytea.
    Bytea,
    /// timestamp with time zone.
    Timestamptz,
    /// date: midnight UTC. No result can be of it, see [`Ty::output`].
    Date,
    /// interval.
    Interval,
    /// jsonb.
    Jsonb,
    /// A quoted literal or NULL whose type its place decides.
    Unknown,
}

impl Ty {
    /// How a result column of it appears to users; `None` where there is no such column type.
    pub fn output(self) -> Option<Type> {
        Some(match self {
            Ty::Bool => Type::Bool,
            Ty::Integer | Ty::Bigint => Type::Bigint,
            Ty::Whole | Ty::Numeric => Type::Numeric,
            Ty::Double => Type::Double,
            Ty::Text | Ty::Unknown => Type::Text,
            Ty::Bytea => Type::Bytea,
            Ty::Timestamptz => Type::Timestamptz,
            Ty::Interval => Type::Interval,
            Ty::Jsonb => Type::Jsonb,
            Ty::Date => return None,
        })
    }

    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        self.number_rank().is_some()
    }

    /// Numbers convert implicitly upwards alone.
    fn number_rank(self) -> Option<u8> {
        match self {
            Ty::Integer => Some(0),
            Ty::Bigint => Some(1),
            Ty::Whole => Some(2),
            Ty::Numeric => Some(3),
            Ty::Double => Some(4),
            _ => None,
        }
    }

    /// What an implicit conversion costs in choosing among functions; `None` if there is none.
    pub(super) fn implicit_cost(self, to: Ty) -> Option<u8> {
        if self == to {
            return Some(0);
        }
        match (self.number_rank(), to.number_rank()) {
            (Some(from), Some(to)) if from < to => Some(to - from),
            _ if self == Ty::Unknown => Some(1),
            _ if self == Ty::Date && to == Ty::Timestamptz => Some(1),
            _ => None,
        }
    }

    /// The type in which values of both can be compared or stand in one column.
    pub(super) fn common(self, other: Ty) -> Option<Ty> {
        if self.implicit_cost(other).is_some() {
            Some(other)
        } else {
            other.implicit_cost(self).map(|_| self)
        }
    }

    /// Whether `CAST` converts it to `to`, in PostgreSQL and here.
    pub(super) fn casts_to(self, to: Ty) -> bool {
        use Ty::{
            Bigint, Bool, Bytea, Date, Double, Integer, Interval, Jsonb, Numeric, Text, Timestamptz, Unknown,
            Whole,
        };
        let number = |ty: Ty| ty.is_number();
        self.implicit_cost(to).is_some()
            || (number(self) && number(to))
            || matches!(
                (self, to),
                (Text, Bool | Bigint | Whole | Numeric | Double | Timestamptz | Date | Interval | Jsonb)
                    | (
                        Bool | Integer
                            | Bigint
                            | Whole
                            | Numeric
                            | Double
                            | Timestamptz
                            | Date
                            | Interval
                            | Jsonb
                            | Bytea,
                        Text
                    )
                    | (Timestamptz, Date)
                    | (Unknown, _)
            )
    }

    /// Whether values of it can be compared, grouped and sorted.
    pub(super) fn is_comparable(self) -> bool {
        self != Ty::Jsonb
    }
}

impl From<Type> for Ty {
    fn from(ty: Type) -> Self {
        match ty {
            Type::Bool => Ty::Bool,
            Type::Bigint => Ty::Bigint,
            Type::Double => Ty::Double,
            Type::Numeric => Ty::Numeric,
            Type::Text => Ty::Text,
            Type::Bytea => Ty::Bytea,
            Type::Timestamptz => Ty::Timestamptz,
            Type::Interval => Ty::Interval,
            Type::Jsonb => Ty::Jsonb,
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ty::Unknown => f.write_str("unknown"),
            other => match other.output() {
                Some(ty) => ty.fmt(f),
                None => f.write_str("date"),
            },
        }
    }
}
