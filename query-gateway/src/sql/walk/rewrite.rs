//! Making an expression of another one.

use super::super::relational::{Aggregate, Expr, ExprKind, Sort, SortKey, Window, WindowFunction};

/// The expression with everything that `replace` has an answer for replaced by it, outermost first; what was put in is
/// not looked into again. Sub-queries stay as they are.
pub fn rewrite(expr: &Expr, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    if let Some(replaced) = replace(expr) {
        return replaced;
    }
    let kind = rewrite_kind(&expr.kind, replace);
    Expr::new(kind, expr.ty, expr.nullable)
}

fn rewrite_kind(kind: &ExprKind, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> ExprKind {
    let mut one = |expr: &Expr| Box::new(rewrite(expr, replace));
    match kind {
        ExprKind::Literal(_) | ExprKind::Parameter(_) | ExprKind::Column { .. } => kind.clone(),
        ExprKind::Exists { .. } | ExprKind::Scalar(_) => kind.clone(),
        ExprKind::Cast(operand) => ExprKind::Cast(one(operand)),
        ExprKind::Not(operand) => ExprKind::Not(one(operand)),
        ExprKind::IsNull { operand, negated } => {
            ExprKind::IsNull { operand: one(operand), negated: *negated }
        }
        ExprKind::IsTruth { operand, value, negated } => {
            ExprKind::IsTruth { operand: one(operand), value: *value, negated: *negated }
        }
        ExprKind::InQuery { operand, query, negated } => {
            ExprKind::InQuery { operand: one(operand), query: query.clone(), negated: *negated }
        }
        ExprKind::Compare { operator, left, right } => {
            ExprKind::Compare { operator: *operator, left: one(left), right: one(right) }
        }
        ExprKind::InList { operand, list, negated } => {
            ExprKind::InList { operand: one(operand), list: rewrite_all(list, replace), negated: *negated }
        }
        ExprKind::Call { function, arguments } => {
            ExprKind::Call { function, arguments: rewrite_all(arguments, replace) }
        }
        ExprKind::And(several) => ExprKind::And(rewrite_all(several, replace)),
        ExprKind::Or(several) => ExprKind::Or(rewrite_all(several, replace)),
        ExprKind::Coalesce(several) => ExprKind::Coalesce(rewrite_all(several, replace)),
        ExprKind::Case { branches, otherwise } => ExprKind::Case {
            branches: branches
                .iter()
                .map(|(condition, result)| (rewrite(condition, replace), rewrite(result, replace)))
                .collect(),
            otherwise: otherwise.as_ref().map(|otherwise| Box::new(rewrite(otherwise, replace))),
        },
        ExprKind::Aggregate(aggregate) => {
            ExprKind::Aggregate(Box::new(rewrite_aggregate(aggregate, replace)))
        }
        ExprKind::Window(window) => ExprKind::Window(Box::new(rewrite_window(window, replace))),
    }
}

fn rewrite_all(exprs: &[Expr], replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Vec<Expr> {
    exprs.iter().map(|expr| rewrite(expr, replace)).collect()
}

/// An aggregate over other arguments.
pub fn rewrite_aggregate(aggregate: &Aggregate, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Aggregate {
    Aggregate {
        function: aggregate.function,
        arguments: rewrite_all(&aggregate.arguments, replace),
        distinct: aggregate.distinct,
        filter: aggregate.filter.as_ref().map(|filter| rewrite(filter, replace)),
        order_by: rewrite_sorts(&aggregate.order_by, replace),
    }
}

fn rewrite_window(window: &Window, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Window {
    let function = match &window.function {
        WindowFunction::Aggregate(aggregate) => {
            WindowFunction::Aggregate(rewrite_aggregate(aggregate, replace))
        }
        WindowFunction::Ranking { name, arguments } => {
            WindowFunction::Ranking { name, arguments: rewrite_all(arguments, replace) }
        }
    };
    Window {
        function,
        partition_by: rewrite_all(&window.partition_by, replace),
        order_by: rewrite_sorts(&window.order_by, replace),
        frame: window.frame.clone(),
    }
}

fn rewrite_sorts(sorts: &[Sort], replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Vec<Sort> {
    let by = |sort: &Sort, replace: &mut dyn FnMut(&Expr) -> Option<Expr>| match &sort.by {
        SortKey::Field(at) => SortKey::Field(*at),
        SortKey::Expr(expr) => SortKey::Expr(rewrite(expr, replace)),
    };
    sorts
        .iter()
        .map(|sort| Sort {
            by: by(sort, replace),
            descending: sort.descending,
            nulls_first: sort.nulls_first,
        })
        .collect()
}
