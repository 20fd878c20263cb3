//! What is SQLite's own. The functions and collations are those of `tributary_sqlite`.
//!
//! How values are kept: boolean INTEGER 0/1; bigint INTEGER; numeric TEXT in decimal digits, compared by the collation
//! `pg_numeric` (a whole one, see [`Ty::Whole`], INTEGER); double REAL; text TEXT in binary order; bytea BLOB;
//! timestamptz and date INTEGER microseconds since 1970, UTC; interval TEXT, compared by `pg_interval`; jsonb TEXT.

use super::{Writer, quoted};
use crate::sql::{
    aggregates::AggregateFunction,
    functions::{Function, Sqlite},
    relational::{Aggregate, Body, Comparison, Expr, ExprKind, Literal, Query},
    types::Ty,
    walk,
};

/// By what values of a type are compared; `None`: as SQLite compares by itself.
pub(super) fn collation(ty: Ty) -> Option<&'static str> {
    match ty {
        Ty::Numeric => Some("pg_numeric"),
        Ty::Interval => Some("pg_interval"),
        _ => None,
    }
}

pub(super) fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Null => "NULL".to_owned(),
        Literal::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        // The digits of the smallest one alone would be read as a double.
        Literal::Integer(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Literal::Integer(value) => value.to_string(),
        Literal::Double(value) if value.is_infinite() => {
            if *value > 0.0 { "9e999" } else { "-9e999" }.to_owned()
        }
        Literal::Double(value) => format!("{value:e}"),
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Literal::Bytes(bytes) => {
            format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}

impl Writer {
    pub(super) fn sqlite_function(&mut self, function: &Function, arguments: &[Expr]) {
        match function.sqlite {
            Sqlite::Call(name) => self.call(name, arguments),
            Sqlite::Infix(operator) => self.infix(arguments, operator),
        }
    }

    /// From `column = constant` SQLite concludes what the column is in the conditions beside it, but not in all places, so
    /// that `CASE WHEN a = 0 THEN NULL ELSE 1 / a END` divides by zero beside `a = 1`. It concludes nothing from IS, which
    /// is the same in a condition.
    pub(super) fn sqlite_condition(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Compare { operator: Comparison::Equal, left, right } => {
                match constant_beside(left, right) {
                    None => self.compare(Comparison::Equal, left, right),
                    Some(constant) => {
                        self.compare(Comparison::NotDistinct, left, right);
                        if constant.nullable {
                            self.push(" AND ");
                            self.test(constant, "IS NOT NULL");
                        }
                    }
                }
            }
            _ => self.expr(expr),
        }
    }

    /// By what the expression is compared. SQLite carries a COLLATE deep within an expression out of it: text that is
    /// made with the help of a numeric comparison must say that it is not one.
    pub(super) fn sqlite_collate(&mut self, value: &Expr) {
        let leaks = value.ty == Ty::Text && has_collation(value);
        let collation = collation(value.ty).or(leaks.then_some("BINARY"));
        self.push(&collate_clause(collation));
    }

    pub(super) fn sqlite_cast(&mut self, operand: &Expr, to: Ty) {
        // `Ty::casts_to` lets no pair through that is not in the table: a test goes over all of them.
        let (before, after) = cast(operand.ty, to).unwrap_or_default();
        self.push(before);
        self.expr(operand);
        self.push(after);
    }

    /// SQLite takes the first of several rows, PostgreSQL fails: `pg_single` does.
    pub(super) fn sqlite_scalar(&mut self, query: &Query) {
        if at_most_one_row(query) {
            self.push("(");
            self.query(query);
            self.push(")");
            return;
        }
        let label = query.fields.first().map(|field| quoted(&field.label)).unwrap_or_default();
        self.push(&format!("(SELECT pg_single({label}) FROM ("));
        self.query(query);
        self.push("))");
    }

    /// `over` follows each call, so that an average over a window is one.
    pub(super) fn sqlite_aggregate(&mut self, aggregate: &Aggregate, over: &str) {
        use AggregateFunction as F;
        let ty = aggregate.arguments.first().map_or(Ty::Bigint, |argument| argument.ty);
        let sum = if ty == Ty::Numeric { "pg_sum_numeric" } else { "sum" };
        match aggregate.function {
            F::CountRows | F::Count => self.aggregate_call("count", aggregate, over),
            F::Sum => self.aggregate_call(sum, aggregate, over),
            F::Avg if ty == Ty::Double => self.aggregate_call("avg", aggregate, over),
            F::Avg => {
                self.push("pg_div_numeric(");
                self.aggregate_call(sum, aggregate, over);
                self.push(", ");
                self.aggregate_call("count", aggregate, over);
                self.push(")");
            }
            F::Min | F::BoolAnd => self.aggregate_call("min", aggregate, over),
            F::Max | F::BoolOr => self.aggregate_call("max", aggregate, over),
            F::StringAgg => self.aggregate_call("string_agg", aggregate, over),
            F::JsonbAgg => self.aggregate_call("pg_jsonb_agg", aggregate, over),
        }
    }
}

pub(super) fn collate_clause(collation: Option<&str>) -> String {
    collation.map(|collation| format!(" COLLATE {collation}")).unwrap_or_default()
}

/// Whether something within is compared by a collation of ours; sub-queries keep theirs to themselves.
pub(super) fn has_collation(value: &Expr) -> bool {
    walk::children(value).into_iter().any(|child| collation(child.ty).is_some() || has_collation(child))
}

/// The constant that a column is compared with.
fn constant_beside<'e>(left: &'e Expr, right: &'e Expr) -> Option<&'e Expr> {
    let is_column = |expr: &Expr| matches!(expr.kind, ExprKind::Column { .. });
    match (is_column(left), is_column(right)) {
        (true, false) => is_constant(right).then_some(right),
        (false, true) => is_constant(left).then_some(left),
        _ => None,
    }
}

fn is_constant(expr: &Expr) -> bool {
    use ExprKind as E;
    let mut constant = true;
    walk::visit(expr, &mut |expr| {
        let follows =
            matches!(expr.kind, E::Column { .. } | E::InQuery { .. } | E::Exists { .. } | E::Scalar(_));
        constant &= !follows && !matches!(expr.kind, E::Aggregate(_) | E::Window(_));
    });
    constant
}

/// What goes around an operand to convert it.
pub(super) fn cast(from: Ty, to: Ty) -> Option<(&'static str, &'static str)> {
    Some(match (from, to) {
        // One representation.
        (Ty::Integer, Ty::Bigint | Ty::Whole)
        | (Ty::Bigint, Ty::Whole)
        | (Ty::Whole, Ty::Bigint)
        | (Ty::Date, Ty::Timestamptz)
        | (Ty::Interval, Ty::Text) => ("", ""),
        (Ty::Integer | Ty::Bigint | Ty::Whole, Ty::Numeric) | (Ty::Numeric, Ty::Text) => ("pg_numeric(", ")"),
        (Ty::Integer | Ty::Bigint | Ty::Whole, Ty::Double) => ("CAST(", " AS REAL)"),
        (Ty::Integer | Ty::Bigint | Ty::Whole, Ty::Text) => ("CAST(", " AS TEXT)"),
        (Ty::Numeric, Ty::Bigint | Ty::Whole) => ("pg_bigint_from_numeric(", ")"),
        (Ty::Numeric, Ty::Double) => ("pg_double_from_numeric(", ")"),
        (Ty::Double, Ty::Bigint | Ty::Whole) => ("pg_bigint_from_double(", ")"),
        (Ty::Double, Ty::Numeric) => ("pg_numeric_from_double(", ")"),
        (Ty::Double, Ty::Text) => ("pg_text_from_double(", ")"),
        (Ty::Timestamptz, Ty::Date) => ("pg_date_trunc('day', ", ")"),
        (Ty::Timestamptz, Ty::Text) => ("pg_text_from_timestamptz(", ")"),
        (Ty::Date, Ty::Text) => ("pg_text_from_date(", ")"),
        (Ty::Bool, Ty::Text) => ("pg_text_from_bool(", ")"),
        (Ty::Bytea, Ty::Text) => ("pg_text_from_bytea(", ")"),
        (Ty::Jsonb, Ty::Text) => ("pg_text_from_jsonb(", ")"),
        (Ty::Text, Ty::Bool) => ("pg_bool_from_text(", ")"),
        (Ty::Text, Ty::Bigint | Ty::Whole) => ("pg_bigint_from_text(", ")"),
        (Ty::Text, Ty::Numeric) => ("pg_numeric_from_text(", ")"),
        (Ty::Text, Ty::Double) => ("pg_double_from_text(", ")"),
        (Ty::Text, Ty::Timestamptz) => ("pg_timestamptz_from_text(", ")"),
        (Ty::Text, Ty::Date) => ("pg_date_trunc('day', pg_timestamptz_from_text(", "))"),
        (Ty::Text, Ty::Interval) => ("pg_interval_from_text(", ")"),
        (Ty::Text, Ty::Jsonb) => ("pg_jsonb_from_text(", ")"),
        _ => return None,
    })
}

/// Whether the text alone says that there is no second row.
fn at_most_one_row(query: &Query) -> bool {
    let limited = matches!(&query.limit, Some(Expr { kind: ExprKind::Literal(Literal::Integer(0 | 1)), .. }));
    limited
        || match &query.body {
            Body::Select(select) => {
                select.from.is_none() || select.group_by.as_ref().is_some_and(Vec::is_empty)
            }
            Body::Values(rows) => rows.len() <= 1,
            Body::SetOperation { .. } => false,
        }
}
