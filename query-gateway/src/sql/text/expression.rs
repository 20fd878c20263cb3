//! Expressions.

use super::{
    Dialect, Writer, postgres, quoted,
    sqlite::{self, has_collation},
};
use crate::sql::{
    functions::Function,
    relational::{
        Aggregate, Bound, Comparison, Expr, ExprKind, Frame, FrameUnits, Literal, Query, Window,
        WindowFunction,
    },
    types::Ty,
};

impl Writer {
    /// Every compound expression is in parentheses or a call: no precedence to think of.
    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(value) => self.literal(value, expr.ty),
            ExprKind::Parameter(at) => self.parameter(at + 1, expr.ty),
            ExprKind::Column { source, label } => self.push(&format!("{source}.{}", quoted(label))),
            ExprKind::Call { function, arguments } => self.function(function, arguments),
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

    /// A condition of which it only matters whether it is true.
    pub(super) fn condition(&mut self, expr: &Expr) {
        match (&expr.kind, self.dialect) {
            (ExprKind::And(conditions), _) => {
                self.push("(");
                for (at, condition) in conditions.iter().enumerate() {
                    self.push(if at > 0 { " AND " } else { "" });
                    self.condition(condition);
                }
                self.push(")");
            }
            (_, Dialect::Sqlite) => self.sqlite_condition(expr),
            (_, Dialect::Postgres) => self.expr(expr),
        }
    }

    fn literal(&mut self, literal: &Literal, ty: Ty) {
        let text = match self.dialect {
            Dialect::Sqlite => sqlite::literal(literal),
            Dialect::Postgres => postgres::literal(literal, ty),
        };
        self.push(&text);
    }

    fn parameter(&mut self, number: usize, ty: Ty) {
        let text = match self.dialect {
            Dialect::Sqlite => format!("?{number}"),
            Dialect::Postgres => format!("${number}::{}", postgres::name(ty)),
        };
        self.push(&text);
    }

    fn function(&mut self, function: &Function, arguments: &[Expr]) {
        match self.dialect {
            Dialect::Sqlite => self.sqlite_function(function, arguments),
            Dialect::Postgres => self.postgres_function(function, arguments),
        }
    }

    pub(super) fn call(&mut self, name: &str, arguments: &[Expr]) {
        self.push(name);
        self.push("(");
        self.list(arguments, Self::expr);
        self.push(")");
    }

    pub(super) fn infix(&mut self, operands: &[Expr], operator: &str) {
        self.push("(");
        for (at, operand) in operands.iter().enumerate() {
            if at > 0 {
                self.push(&format!(" {operator} "));
            }
            self.expr(operand);
        }
        self.push(")");
    }

    pub(super) fn test(&mut self, operand: &Expr, test: &str) {
        self.push("(");
        self.expr(operand);
        self.push(&format!(" {test})"));
    }

    /// The collation of the left operand decides.
    pub(super) fn compare(&mut self, operator: Comparison, left: &Expr, right: &Expr) {
        use Comparison as C;
        self.push("(");
        match (self.dialect, operator) {
            (Dialect::Sqlite, _) => {
                self.expr(left);
                self.collate(left);
                // A COLLATE on the left outranks one that comes out of the right.
                if left.ty == Ty::Text && !has_collation(left) && has_collation(right) {
                    self.push(" COLLATE BINARY");
                }
            }
            // Whether two texts are equal is the same in every collation.
            (Dialect::Postgres, C::Equal | C::NotEqual | C::Distinct | C::NotDistinct) => self.expr(left),
            (Dialect::Postgres, _) => self.ordered(left),
        }
        self.push(match (operator, self.dialect) {
            (C::Equal, _) => " = ",
            (C::NotEqual, _) => " <> ",
            (C::Less, _) => " < ",
            (C::LessOrEqual, _) => " <= ",
            (C::Greater, _) => " > ",
            (C::GreaterOrEqual, _) => " >= ",
            (C::Distinct, Dialect::Sqlite) => " IS NOT ",
            (C::NotDistinct, Dialect::Sqlite) => " IS ",
            (C::Distinct, Dialect::Postgres) => " IS DISTINCT FROM ",
            (C::NotDistinct, Dialect::Postgres) => " IS NOT DISTINCT FROM ",
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
        match self.dialect {
            Dialect::Sqlite => self.sqlite_cast(operand, to),
            Dialect::Postgres => self.postgres_cast(operand, to),
        }
    }

    fn scalar(&mut self, query: &Query) {
        match self.dialect {
            Dialect::Sqlite => self.sqlite_scalar(query),
            Dialect::Postgres => {
                self.push("(");
                self.query(query);
                self.push(")");
            }
        }
    }

    /// `over` follows each call.
    fn aggregate(&mut self, aggregate: &Aggregate, over: &str) {
        match self.dialect {
            Dialect::Sqlite => self.sqlite_aggregate(aggregate, over),
            Dialect::Postgres => self.postgres_aggregate(aggregate, over),
        }
    }

    pub(super) fn aggregate_call(&mut self, name: &str, aggregate: &Aggregate, over: &str) {
        self.push(name);
        self.push(if aggregate.distinct { "(DISTINCT " } else { "(" });
        if aggregate.arguments.is_empty() {
            self.push("*");
        }
        self.list(&aggregate.arguments, Self::ordered);
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
            WindowFunction::Ranking { name, arguments } if self.dialect == Dialect::Postgres => {
                self.postgres_ranking(name, arguments, &over);
            }
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

fn bound(bound: Bound) -> String {
    match bound {
        Bound::UnboundedPreceding => "UNBOUNDED PRECEDING".to_owned(),
        Bound::Preceding(rows) => format!("{rows} PRECEDING"),
        Bound::CurrentRow => "CURRENT ROW".to_owned(),
        Bound::Following(rows) => format!("{rows} FOLLOWING"),
        Bound::UnboundedFollowing => "UNBOUNDED FOLLOWING".to_owned(),
    }
}
