//! Tallies: sums of numerics from which can be taken what was added, with the digits that they show.
//!
//! To plans a tally is a text, and so it is kept in SQLite. PostgreSQL adds up numbers: there the groups keep the sum and, in
//! a column beside it, how many terms show how many digits (see [`digits`]), and others see both as a text.

use crate::{
    delta::plan::{Column, Groups, Measure, MeasureKind},
    sql::{
        Dialect,
        functions::{self, TALLY_SUM},
        relational::{Expr, ExprKind, Literal},
        text::{TALLY_STEP, digits},
        types::Ty,
        walk,
    },
};

/// Whether a column that is kept of a group is a tally, and not a number.
pub(super) fn is_tally(groups: &Groups, label: &str) -> bool {
    let mut sums = groups.feeds.iter().flat_map(|feed| &feed.sums);
    sums.any(|sum| sum.label == label && sum.kind == MeasureKind::Tally)
}

/// What is kept where there was no row.
pub(super) fn nothing(dialect: Dialect, groups: &Groups, label: &str) -> &'static str {
    if dialect == Dialect::Sqlite && is_tally(groups, label) { "''" } else { "0" }
}

/// The columns that keep a measure.
pub(super) fn measured(dialect: Dialect, sum: &Measure) -> Vec<Column> {
    match (dialect, sum.kind) {
        (Dialect::Postgres, MeasureKind::Tally) => {
            vec![
                Column::new(sum.label.clone(), Ty::Numeric, false),
                Column::new(digits(&sum.label), Ty::Numeric, false),
            ]
        }
        _ => vec![Column::new(sum.label.clone(), sum.ty, false)],
    }
}

/// The label of the column beside a measure, if there is one.
pub(super) fn beside(dialect: Dialect, sum: &Measure) -> Option<String> {
    measured(dialect, sum).into_iter().nth(1).map(|column| column.label)
}

/// What a value adds to the digits that a tally shows.
pub(super) fn shown(value: &str) -> String {
    format!("('1e' || {TALLY_STEP} * scale({value}))::numeric")
}

/// An expression over what is kept of groups, as it is written over their table.
pub(super) fn over_kept(dialect: Dialect, groups: &Groups, expr: &Expr) -> Expr {
    if dialect == Dialect::Sqlite {
        return expr.clone();
    }
    let tally = |expr: &Expr| match &expr.kind {
        ExprKind::Column { source, label } if *source == groups.id && is_tally(groups, label) => {
            let number = |label: String| Column::new(label, Ty::Numeric, false).of(groups.id);
            Some((number(label.clone()), number(digits(label))))
        }
        _ => None,
    };
    walk::rewrite(expr, &mut |expr| match &expr.kind {
        ExprKind::Call { function, arguments } if function.name == TALLY_SUM => {
            let (sum, digits) = arguments.first().and_then(tally)?;
            let places = call("-", vec![call("length", vec![text(digits)]), integer(1)]);
            let step = integer(i64::try_from(TALLY_STEP).unwrap_or(i64::MAX));
            Some(call("round", vec![sum, call("/", vec![places, step])]))
        }
        _ => {
            let (sum, digits) = tally(expr)?;
            let blank = Expr::new(ExprKind::Literal(Literal::Text(" ".to_owned())), Ty::Text, false);
            Some(call("||", vec![call("||", vec![text(sum), blank]), text(digits)]))
        }
    })
}

fn text(expr: Expr) -> Expr {
    Expr::new(ExprKind::Cast(Box::new(expr)), Ty::Text, false)
}

fn integer(value: i64) -> Expr {
    Expr::new(ExprKind::Literal(Literal::Integer(value)), Ty::Integer, false)
}

/// Of a function that there is: the tests add numerics up.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let types: Vec<Ty> = arguments.iter().map(|argument| argument.ty).collect();
    match functions::choose(name, &types) {
        Some(function) => Expr::new(ExprKind::Call { function, arguments }, function.result, false),
        None => Expr::null(Ty::Numeric),
    }
}
