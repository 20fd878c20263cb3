//! What is PostgreSQL's own. Types, functions and operators are its; what is left to say is where this dialect is wider
//! or narrower than PostgreSQL: an integer is a bigint everywhere, and text is ordered byte by byte.
//!
//! How values are kept: each as its own type, a whole number (see [`Ty::Whole`]) as numeric. Text columns have the
//! collation `"C"`, and so has every column of a result: text that is made in between says so where it is ordered. Letters
//! are made small and capital by the locale of the database.

use super::Writer;
use crate::sql::{
    aggregates::AggregateFunction,
    functions::{Function, TALLY_SUM, TO_JSONB},
    relational::{Aggregate, Expr, ExprKind, Literal},
    types::Ty,
};
use tributary_sqlite::timestamp;

/// Settings without which the same text means something else.
pub const SESSION: &[(&str, &str)] = &[
    ("timezone", "UTC"),
    ("datestyle", "ISO, MDY"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("standard_conforming_strings", "on"),
];

/// How far apart the counters of a tally are, see [`digits`]: none has as many digits.
pub(crate) const TALLY_STEP: usize = 20;

/// A type, as PostgreSQL calls it.
pub(crate) fn name(ty: Ty) -> &'static str {
    match ty {
        Ty::Bool => "boolean",
        Ty::Integer | Ty::Bigint => "bigint",
        Ty::Whole | Ty::Numeric => "numeric",
        Ty::Double => "double precision",
        Ty::Text | Ty::Unknown => "text",
        Ty::Bytea => "bytea",
        Ty::Timestamptz => "timestamptz",
        Ty::Date => "date",
        Ty::Interval => "interval",
        Ty::Jsonb => "jsonb",
    }
}

/// Each says its type: by it functions are chosen, and a number that fits an integer would be one.
pub(super) fn literal(literal: &Literal, ty: Ty) -> String {
    let text = match (literal, ty) {
        (Literal::Bool(value), _) => return if *value { "TRUE" } else { "FALSE" }.to_owned(),
        (Literal::Null, _) => return format!("NULL::{}", name(ty)),
        (Literal::Integer(micros), Ty::Timestamptz) => at(*micros),
        (Literal::Integer(micros), Ty::Date) => at(*micros).chars().take_while(|c| *c != ' ').collect(),
        (Literal::Integer(value), _) if *value >= 0 => return format!("{value}::{}", name(ty)),
        (Literal::Integer(value), _) => value.to_string(),
        (Literal::Double(value), _) => format!("{value:e}"),
        (Literal::Text(text), _) => text.replace('\'', "''"),
        (Literal::Bytes(bytes), _) => {
            format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    };
    format!("'{text}'::{}", name(ty))
}

/// A literal was read as a time, so that it can be written as one.
fn at(micros: i64) -> String {
    timestamp::format(micros).unwrap_or_else(|_| "invalid".to_owned())
}

impl Writer {
    /// Functions are called as in PostgreSQL, whose names the table has.
    pub(super) fn postgres_function(&mut self, function: &Function, arguments: &[Expr]) {
        // What is integer in PostgreSQL, and bigint here.
        let narrow = function.result == Ty::Integer && function.argument(0) != Ty::Integer;
        self.push(if narrow { "(" } else { "" });
        match (function.name, arguments) {
            ("negate", [operand]) => {
                self.push("(- ");
                self.expr(operand);
                self.push(")");
            }
            ("like" | "ilike", [text, pattern, escape]) => self.like(function.name, text, pattern, escape),
            ("numeric fit", [value, precision, scale]) => {
                let digits = |expr: &Expr| match &expr.kind {
                    ExprKind::Literal(Literal::Integer(digits)) => *digits,
                    _ => 0,
                };
                let (precision, scale) = (digits(precision), digits(scale));
                self.expr(value);
                self.push(&format!("::numeric({precision}, {scale})"));
            }
            ("extract" | "extract whole", _) => self.call("pg_catalog.\"extract\"", arguments),
            ("lower" | "upper", [text]) => {
                self.push(&format!("({}(", function.name));
                self.expr(text);
                self.push(" COLLATE \"default\") COLLATE \"C\")");
            }
            (TO_JSONB, [value]) => {
                self.push("coalesce(to_jsonb(");
                self.expr(value);
                self.push("), 'null'::jsonb)");
            }
            (TALLY_SUM, [tally]) => self.tally_sum(tally),
            ("jsonb_build_object", _) => self.build_object(arguments),
            ("greatest" | "least", _) => {
                self.push(&format!("{}(", function.name));
                self.list(arguments, Self::ordered);
                self.push(")");
            }
            (name, [left, right]) if !name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                self.push("(");
                self.expr(left);
                self.push(&format!(" {name} "));
                self.argument(function, 1, right);
                self.push(")");
            }
            (name, _) => {
                self.push(&format!("{name}("));
                let arguments: Vec<(usize, &Expr)> = arguments.iter().enumerate().collect();
                self.list(&arguments, |this, (at, argument)| this.argument(function, *at, argument));
                self.push(")");
            }
        }
        self.push(if narrow { ")::bigint" } else { "" });
    }

    /// A bigint beside arguments of another type is integer in PostgreSQL.
    fn argument(&mut self, function: &Function, at: usize, argument: &Expr) {
        self.expr(argument);
        if function.argument(at) == Ty::Bigint && function.argument(0) != Ty::Bigint {
            self.push("::integer");
        }
    }

    /// What is alike whatever its capitals is so by the locale of the database.
    fn like(&mut self, name: &str, text: &Expr, pattern: &Expr, escape: &Expr) {
        self.push("(");
        self.expr(text);
        self.push(if name == "ilike" { " COLLATE \"default\" ILIKE " } else { " LIKE " });
        self.expr(pattern);
        self.push(" ESCAPE ");
        self.expr(escape);
        self.push(")");
    }

    /// The table has all arguments as jsonb; the keys are text.
    fn build_object(&mut self, pairs: &[Expr]) {
        let typed = |(at, value): (usize, &Expr)| match at % 2 {
            0 => Expr { ty: Ty::Text, ..value.clone() },
            _ => value.clone(),
        };
        let pairs: Vec<Expr> = pairs.iter().enumerate().map(typed).collect();
        self.call("jsonb_build_object", &pairs);
    }

    /// A tally is the sum and how many terms show how many digits, see [`digits`]. The sum shows as many as that of its terms
    /// which shows most.
    fn tally_sum(&mut self, tally: &Expr) {
        self.push("round(split_part(");
        self.expr(tally);
        self.push(", ' ', 1)::numeric, (length(split_part(");
        self.expr(tally);
        self.push(&format!(", ' ', 2)) - 1) / {TALLY_STEP})"));
    }

    pub(super) fn postgres_cast(&mut self, operand: &Expr, to: Ty) {
        // `Ty::casts_to` lets no pair through that is not in the table: a test goes over all of them.
        self.expr(operand);
        self.push(cast(operand.ty, to).unwrap_or_default());
    }

    /// A constant by which rows are grouped or sorted: one that says no type would be taken for a place, or be refused.
    pub(super) fn postgres_constant(&mut self, value: &Expr) {
        self.expr(value);
        self.push(if value.ty == Ty::Bool { "::boolean" } else { "" });
    }

    /// Columns are of the right collation.
    pub(super) fn postgres_ordered(&mut self, value: &Expr) {
        let known =
            value.ty != Ty::Text && value.ty != Ty::Unknown || matches!(value.kind, ExprKind::Column { .. });
        self.push(if known { "" } else { "(" });
        self.expr(value);
        self.push(if known { "" } else { " COLLATE \"C\")" });
    }

    /// A sum of what is integer to users is bigint, as it is in PostgreSQL.
    pub(super) fn postgres_aggregate(&mut self, aggregate: &Aggregate, over: &str) {
        use AggregateFunction as F;
        let narrow = aggregate.function == F::Sum
            && aggregate.arguments.first().is_some_and(|argument| argument.ty == Ty::Integer);
        let name = aggregate.function.name();
        self.push(if narrow { "(" } else { "" });
        self.aggregate_call(name, aggregate, over);
        self.push(if narrow { ")::bigint" } else { "" });
    }

    /// What counts rows is integer in PostgreSQL.
    pub(super) fn postgres_ranking(&mut self, name: &str, arguments: &[Expr], over: &str) {
        let arguments: Vec<(usize, &Expr)> = arguments.iter().enumerate().collect();
        self.push(&format!("({name}("));
        self.list(&arguments, |this, (at, argument)| {
            this.expr(argument);
            this.push(if *at == 1 || name == "ntile" { "::integer" } else { "" });
        });
        self.push(")");
        self.push(over);
        self.push(if name == "ntile" { ")::bigint" } else { ")" });
    }
}

/// The column beside the sum of a tally that tells how many digits its terms show: as many terms as show so many digits are
/// counted [`TALLY_STEP`] places further to the left for each of them.
pub(crate) fn digits(label: &str) -> String {
    format!("{label}#")
}

/// What follows an operand to convert it.
pub(super) fn cast(from: Ty, to: Ty) -> Option<&'static str> {
    let integer = |ty| matches!(ty, Ty::Integer | Ty::Bigint);
    let numeric = |ty| matches!(ty, Ty::Whole | Ty::Numeric);
    Some(match (from, to) {
        _ if integer(from) && integer(to) => "",
        (Ty::Whole, Ty::Numeric) => "",
        (from, Ty::Whole) if !integer(from) && !numeric(from) && from != Ty::Text && from != Ty::Double => {
            return None;
        }
        // What is not whole becomes it by the way over bigint.
        (from, Ty::Whole) if !integer(from) => "::bigint::numeric",
        (_, Ty::Integer | Ty::Bigint) => "::bigint",
        (_, Ty::Whole | Ty::Numeric) => "::numeric",
        (_, Ty::Double) => "::double precision",
        (_, Ty::Text) => "::text",
        (_, Ty::Bool) => "::boolean",
        (_, Ty::Timestamptz) => "::timestamptz",
        (_, Ty::Date) => "::date",
        (_, Ty::Interval) => "::interval",
        (_, Ty::Jsonb) => "::jsonb",
        (_, Ty::Bytea | Ty::Unknown) => return None,
    })
}
