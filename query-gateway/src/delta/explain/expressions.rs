//! Expressions for people, in the words of the dialect that views are written in.

use std::fmt;

use crate::sql::relational::{
    Aggregate, Comparison, Expr, ExprKind, Literal, Sort, SortKey, Window, WindowFunction,
};

/// An expression.
pub(super) struct Shown<'e>(pub(super) &'e Expr);

/// One after another.
pub(super) fn list<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> String {
    joined(exprs, ", ")
}

/// All of them hold.
pub(super) fn all<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> String {
    joined(exprs, " AND ")
}

fn joined<'e>(exprs: impl IntoIterator<Item = &'e Expr>, by: &str) -> String {
    exprs.into_iter().map(|expr| Shown(expr).to_string()).collect::<Vec<_>>().join(by)
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match &self.0.kind {
            ExprKind::Literal(literal) => show(f, literal),
            ExprKind::Parameter(at) => write!(f, "?{}", at + 1),
            ExprKind::Column { source, label } => write!(f, "{source}.{label}"),
            ExprKind::Call { function, arguments } => call(f, function.name, arguments),
            ExprKind::Cast(operand) => write!(f, "CAST({} AS {})", Shown(operand), self.0.ty),
            ExprKind::Not(operand) => write!(f, "NOT {}", Shown(operand)),
            ExprKind::And(operands) => write!(f, "({})", all(operands)),
            ExprKind::Or(operands) => write!(f, "({})", joined(operands, " OR ")),
            ExprKind::Compare { operator, left, right } => {
                write!(f, "{} {} {}", Shown(left), sign(*operator), Shown(right))
            }
            ExprKind::IsNull { operand, negated } => write!(f, "{} IS {}NULL", Shown(operand), not(negated)),
            ExprKind::IsTruth { operand, value, negated } => {
                let value = if *value { "TRUE" } else { "FALSE" };
                write!(f, "{} IS {}{value}", Shown(operand), not(negated))
            }
            ExprKind::Case { branches, otherwise } => case(f, branches, otherwise.as_deref()),
            ExprKind::Coalesce(operands) => write!(f, "COALESCE({})", list(operands)),
            ExprKind::InList { operand, list: among, negated } => {
                write!(f, "{} {}IN ({})", Shown(operand), not(negated), list(among))
            }
            ExprKind::InQuery { operand, negated, .. } => {
                write!(f, "{} {}IN (SELECT ..)", Shown(operand), not(negated))
            }
            ExprKind::Exists { negated, .. } => write!(f, "{}EXISTS (SELECT ..)", not(negated)),
            ExprKind::Scalar(_) => f.write_str("(SELECT ..)"),
            ExprKind::Aggregate(aggregate) => aggregate.fmt(f),
            ExprKind::Window(window) => windowed(f, window),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let arguments = if self.arguments.is_empty() { "*".to_owned() } else { list(&self.arguments) };
        write!(f, "{}({distinct}{arguments}{})", self.function.name(), sorted(&self.order_by))?;
        match &self.filter {
            Some(filter) => write!(f, " FILTER (WHERE {})", Shown(filter)),
            None => Ok(()),
        }
    }
}

fn call(f: &mut fmt::Formatter<'_>, name: &str, arguments: &[Expr]) -> fmt::Result {
    let word = name.starts_with(|first: char| first.is_ascii_alphabetic());
    match arguments {
        [left, right] if !word => write!(f, "({} {name} {})", Shown(left), Shown(right)),
        [operand] if !word => write!(f, "{name}{}", Shown(operand)),
        _ => write!(f, "{}({})", name.replace(' ', "_"), list(arguments)),
    }
}

fn case(f: &mut fmt::Formatter<'_>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) -> fmt::Result {
    f.write_str("CASE")?;
    for (condition, result) in branches {
        write!(f, " WHEN {} THEN {}", Shown(condition), Shown(result))?;
    }
    if let Some(otherwise) = otherwise {
        write!(f, " ELSE {}", Shown(otherwise))?;
    }
    f.write_str(" END")
}

fn windowed(f: &mut fmt::Formatter<'_>, window: &Window) -> fmt::Result {
    match &window.function {
        WindowFunction::Aggregate(aggregate) => write!(f, "{aggregate}")?,
        WindowFunction::Ranking { name, arguments } => write!(f, "{name}({})", list(arguments))?,
    }
    let partition = match window.partition_by.as_slice() {
        [] => String::new(),
        partition => format!("PARTITION BY {}", list(partition)),
    };
    write!(f, " OVER ({partition}{}", sorted(&window.order_by))?;
    if let Some(frame) = &window.frame {
        write!(f, " {:?} {:?} TO {:?}", frame.units, frame.start, frame.end)?;
    }
    f.write_str(")")
}

fn sorted(sorts: &[Sort]) -> String {
    let key = |sort: &Sort| {
        let by = match &sort.by {
            SortKey::Field(at) => (at + 1).to_string(),
            SortKey::Expr(expr) => Shown(expr).to_string(),
        };
        let descending = if sort.descending { " DESC" } else { "" };
        // What PostgreSQL does by itself is not said.
        let nulls = match (sort.nulls_first, sort.descending) {
            (true, false) => " NULLS FIRST",
            (false, true) => " NULLS LAST",
            _ => "",
        };
        format!("{by}{descending}{nulls}")
    };
    let keys: Vec<String> = sorts.iter().map(key).collect();
    if keys.is_empty() { String::new() } else { format!(" ORDER BY {}", keys.join(", ")) }
}

fn sign(operator: Comparison) -> &'static str {
    match operator {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Distinct => "IS DISTINCT FROM",
        Comparison::NotDistinct => "IS NOT DISTINCT FROM",
    }
}

fn show(f: &mut fmt::Formatter<'_>, literal: &Literal) -> fmt::Result {
    match literal {
        Literal::Null => f.write_str("NULL"),
        Literal::Bool(value) => write!(f, "{}", if *value { "TRUE" } else { "FALSE" }),
        Literal::Integer(value) => write!(f, "{value}"),
        Literal::Double(value) => write!(f, "{value:?}"),
        Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        Literal::Bytes(bytes) => {
            f.write_str("'\\x")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("'")
        }
    }
}
