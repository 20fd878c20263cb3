//! Expressions.

use super::{Writer, query::has_collation, quoted};
use crate::sql::{
    aggregates::AggregateFunction,
    functions::Sqlite,
    relational::{
        Aggregate, Body, Bound, Comparison, Expr, ExprKind, Frame, FrameUnits, Literal, Query, Window,
        WindowFunction,
    },
    types::Ty,
    walk,
};

impl Writer {
    /// Every compound expression is in parentheses or a call: no precedence to think of.
    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(value) => self.literal(value),
            ExprKind::Parameter(at) => self.push(&format!("?{}", at + 1)),
            ExprKind::Column { source, label } => self.push(&format!("{source}.{}", quoted(label))),
            ExprKind::Call { function, arguments } => match function.sqlite {
                Sqlite::Call(name) => self.call(name, arguments),
                Sqlite::Infix(operator) => self.infix(arguments, operator),
            },
            ExprKind::Cast(operand) => self.cast(operand, expr.ty),
            ExprKind::Not(operand) => {
                self.push("(NOT ");
                self.expr(operand);
                self.push(")");
            }
            ExprKind::And(conditions) => self.infix(conditions, "AND"),
            ExprKind::Or(conditions) => self.infix(conditions, "OR"),
            ExprKind::Compare { operator, left, right } => self.compare(*operator, left, right),
            ExprKind::IsNull { operand, negated } => {
                self.test(operand, if *negated { "IS NOT NULL" } else { "IS NULL" })
            }
            ExprKind::IsTruth { operand, value, negated } => {
                let not = if *negated { "NOT " } else { "" };
                self.test(operand, &format!("IS {not}{}", if *value { "TRUE" } else { "FALSE" }));
            }
            ExprKind::Case { branches, otherwise } => self.case(branches, otherwise.as_deref()),
            ExprKind::Coalesce(values) => self.call("coalesce", values),
            ExprKind::InList { operand, list, negated } => {
                self.membership(operand, *negated);
                self.list(list, Self::expr);
                self.push("))");
            }
            ExprKind::InQuery { operand, query, negated } => {
                self.membership(operand, *negated);
                self.query(query);
                self.push("))");
            }
            ExprKind::Exists { query, negated } => {
                self.push(if *negated { "(NOT EXISTS (" } else { "(EXISTS (" });
                self.query(query);
                self.push("))");
            }
            ExprKind::Scalar(query) => self.scalar(query),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, ""),
            ExprKind::Window(window) => self.window(window),
        }
    }

    /// A condition of which it only matters whether it is true. From `column = constant` SQLite concludes what the column
    /// is in the conditions beside it, but not in all places, so that `CASE WHEN a = 0 THEN NULL ELSE 1 / a END` divides by
    /// zero beside `a = 1`. It concludes nothing from IS, which is the same here.
    pub(super) fn condition(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::And(conditions) => {
                self.push("(");
                for (at, condition) in conditions.iter().enumerate() {
                    self.push(if at > 0 { " AND " } else { "" });
                    self.condition(condition);
                }
                self.push(")");
            }
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

    fn literal(&mut self, literal: &Literal) {
        let text = match literal {
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
        };
        self.push(&text);
    }

    fn call(&mut self, name: &str, arguments: &[Expr]) {
        self.push(name);
        self.push("(");
        self.list(arguments, Self::expr);
        self.push(")");
    }

    fn infix(&mut self, operands: &[Expr], operator: &str) {
        self.push("(");
        for (at, operand) in operands.iter().enumerate() {
            if at > 0 {
                self.push(&format!(" {operator} "));
            }
            self.expr(operand);
        }
        self.push(")");
    }

    fn test(&mut self, operand: &Expr, test: &str) {
        self.push("(");
        self.expr(operand);
        self.push(&format!(" {test})"));
    }

    /// The collation of the left operand decides.
    fn compare(&mut self, operator: Comparison, left: &Expr, right: &Expr) {
        self.push("(");
        self.expr(left);
        self.collate(left);
        // A COLLATE on the left outranks one that comes out of the right.
        if left.ty == Ty::Text && !has_collation(left) && has_collation(right) {
            self.push(" COLLATE BINARY");
        }
        self.push(match operator {
            Comparison::Equal => " = ",
            Comparison::NotEqual => " <> ",
            Comparison::Less => " < ",
            Comparison::LessOrEqual => " <= ",
            Comparison::Greater => " > ",
            Comparison::GreaterOrEqual => " >= ",
            Comparison::Distinct => " IS NOT ",
            Comparison::NotDistinct => " IS ",
        });
        self.expr(right);
        self.push(")");
    }

    fn membership(&mut self, operand: &Expr, negated: bool) {
        self.push("(");
        self.expr(operand);
        self.collate(operand);
        self.push(if negated { " NOT IN (" } else { " IN (" });
    }

    fn case(&mut self, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) {
        self.push("CASE");
        for (condition, result) in branches {
            self.push(" WHEN ");
            self.expr(condition);
            self.push(" THEN ");
            self.expr(result);
        }
        if let Some(otherwise) = otherwise {
            self.push(" ELSE ");
            self.expr(otherwise);
        }
        self.push(" END");
    }

    fn cast(&mut self, operand: &Expr, to: Ty) {
        // `Ty::casts_to` lets no pair through that is not in the table: a test goes over all of them.
        let (before, after) = cast(operand.ty, to).unwrap_or_default();
        self.push(before);
        self.expr(operand);
        self.push(after);
    }

    /// SQLite takes the first of several rows, PostgreSQL fails: `pg_single` does.
    fn scalar(&mut self, query: &Query) {
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
    fn aggregate(&mut self, aggregate: &Aggregate, over: &str) {
        use AggregateFunction as F;
        let ty = aggregate.arguments.first().map_or(Ty::Bigint, |argument| argument.ty);
        let sum = if ty == Ty::Numeric { "pg_sum_numeric" } else { "sum" };
        match aggregate.function {
            F::CountRows => self.aggregate_call("count", aggregate, over),
            F::Count => self.aggregate_call("count", aggregate, over),
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

    fn aggregate_call(&mut self, name: &str, aggregate: &Aggregate, over: &str) {
        self.push(name);
        self.push(if aggregate.distinct { "(DISTINCT " } else { "(" });
        if aggregate.arguments.is_empty() {
            self.push("*");
        }
        self.list(&aggregate.arguments, |this, argument| {
            this.expr(argument);
            this.collate(argument);
        });
        if !aggregate.order_by.is_empty() {
            self.push(" ORDER BY ");
            self.list(&aggregate.order_by, |this, sort| this.sort(sort, None));
        }
        self.push(")");
        if let Some(filter) = &aggregate.filter {
            self.push(" FILTER (WHERE ");
            self.expr(filter);
            self.push(")");
        }
        self.push(over);
    }

    fn window(&mut self, window: &Window) {
        let over = self.over(window);
        match &window.function {
            WindowFunction::Aggregate(aggregate) => self.aggregate(aggregate, &over),
            WindowFunction::Ranking { name, arguments } => {
                self.call(name, arguments);
                self.push(&over);
            }
        }
    }

    fn over(&mut self, window: &Window) -> String {
        let before = std::mem::take(&mut self.text);
        self.push(" OVER (");
        if !window.partition_by.is_empty() {
            self.push("PARTITION BY ");
            self.list(&window.partition_by, Self::key);
        }
        if !window.order_by.is_empty() {
            self.push(" ORDER BY ");
            self.list(&window.order_by, |this, sort| this.sort(sort, None));
        }
        if let Some(Frame { units, start, end }) = &window.frame {
            let units = match units {
                FrameUnits::Rows => "ROWS",
                FrameUnits::Range => "RANGE",
                FrameUnits::Groups => "GROUPS",
            };
            self.push(&format!(" {units} BETWEEN {} AND {}", bound(*start), bound(*end)));
        }
        self.push(")");
        std::mem::replace(&mut self.text, before)
    }
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

fn bound(bound: Bound) -> String {
    match bound {
        Bound::UnboundedPreceding => "UNBOUNDED PRECEDING".to_owned(),
        Bound::Preceding(rows) => format!("{rows} PRECEDING"),
        Bound::CurrentRow => "CURRENT ROW".to_owned(),
        Bound::Following(rows) => format!("{rows} FOLLOWING"),
        Bound::UnboundedFollowing => "UNBOUNDED FOLLOWING".to_owned(),
    }
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
