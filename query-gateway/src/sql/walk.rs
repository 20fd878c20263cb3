//! Visiting the relational form.

mod rewrite;

pub use rewrite::{rewrite, rewrite_aggregate};

use super::relational::{
    Aggregate, Body, Expr, ExprKind, From, Query, Select, Sort, SortKey, Window, WindowFunction,
};

/// The expressions directly below, those of sub-queries not among them.
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Parameter(_) | ExprKind::Column { .. } => Vec::new(),
        ExprKind::Exists { .. } | ExprKind::Scalar(_) => Vec::new(),
        ExprKind::Call { arguments: several, .. }
        | ExprKind::And(several)
        | ExprKind::Or(several)
        | ExprKind::Coalesce(several) => several.iter().collect(),
        ExprKind::Cast(operand)
        | ExprKind::Not(operand)
        | ExprKind::IsNull { operand, .. }
        | ExprKind::IsTruth { operand, .. }
        | ExprKind::InQuery { operand, .. } => vec![operand],
        ExprKind::Compare { left, right, .. } => vec![left, right],
        ExprKind::Case { branches, otherwise } => {
            let branches = branches.iter().flat_map(|(condition, result)| [condition, result]);
            branches.chain(otherwise.as_deref()).collect()
        }
        ExprKind::InList { operand, list, .. } => std::iter::once(operand.as_ref()).chain(list).collect(),
        ExprKind::Aggregate(aggregate) => of_aggregate(aggregate),
        ExprKind::Window(window) => of_window(window),
    }
}

/// Whether an aggregate of this query is in it: those of sub-queries and of windows are not.
pub fn has_aggregate(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Aggregate(_)) || children(expr).into_iter().any(has_aggregate)
}

fn of_aggregate(aggregate: &Aggregate) -> Vec<&Expr> {
    aggregate.arguments.iter().chain(&aggregate.filter).chain(of_sorts(&aggregate.order_by)).collect()
}

fn of_window(window: &Window) -> Vec<&Expr> {
    let mut children = match &window.function {
        WindowFunction::Aggregate(aggregate) => of_aggregate(aggregate),
        WindowFunction::Ranking { arguments, .. } => arguments.iter().collect(),
    };
    children.extend(&window.partition_by);
    children.extend(of_sorts(&window.order_by));
    children
}

fn of_sorts(sorts: &[Sort]) -> impl Iterator<Item = &Expr> {
    sorts.iter().filter_map(|sort| match &sort.by {
        SortKey::Expr(expr) => Some(expr),
        SortKey::Field(_) => None,
    })
}

/// The sub-query of this very expression.
pub fn sub_query(expr: &Expr) -> Option<&Query> {
    match &expr.kind {
        ExprKind::InQuery { query, .. } | ExprKind::Exists { query, .. } | ExprKind::Scalar(query) => {
            Some(query)
        }
        _ => None,
    }
}

/// Calls `see` for the expression, all below it, and all in its sub-queries.
pub fn visit<'e>(expr: &'e Expr, see: &mut dyn FnMut(&'e Expr)) {
    see(expr);
    for child in children(expr) {
        visit(child, see);
    }
    if let Some(query) = sub_query(expr) {
        visit_query(query, see);
    }
}

/// Calls `see` for every expression of a query, at every depth.
pub fn visit_query<'e>(query: &'e Query, see: &mut dyn FnMut(&'e Expr)) {
    for cte in &query.ctes {
        visit_query(&cte.query, see);
    }
    match &query.body {
        Body::Select(select) => visit_select(select, see),
        Body::SetOperation { left, right, .. } => {
            visit_query(left, see);
            visit_query(right, see);
        }
        Body::Values(rows) => rows.iter().flatten().for_each(|value| visit(value, see)),
    }
    for expr in of_sorts(&query.order_by).chain(&query.limit).chain(&query.offset) {
        visit(expr, see);
    }
}

fn visit_select<'e>(select: &'e Select, see: &mut dyn FnMut(&'e Expr)) {
    if let Some(from) = &select.from {
        visit_from(from, see);
    }
    let groups = select.group_by.iter().flatten();
    for expr in select.projection.iter().chain(&select.filter).chain(groups).chain(&select.having) {
        visit(expr, see);
    }
}

fn visit_from<'e>(from: &'e From, see: &mut dyn FnMut(&'e Expr)) {
    match from {
        From::Relation { .. } | From::Cte { .. } => {}
        From::Query { query, .. } => visit_query(query, see),
        From::Join { left, right, on, .. } => {
            visit_from(left, see);
            visit_from(right, see);
            on.iter().for_each(|on| visit(on, see));
        }
    }
}
