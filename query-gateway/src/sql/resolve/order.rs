//! ORDER BY, and the names of result columns.

use sqlparser::ast::{self, OrderByExpr, OrderBySort, Value};

use super::{Place, Resolver, fold};
use crate::sql::{
    error::SqlError,
    relational::{Expr, Field, Sort, SortKey},
};

impl Resolver<'_> {
    /// Numbers and names mean result columns first, as in PostgreSQL; an expression that is one of them is that column.
    pub(super) fn order_by(
        &mut self,
        terms: &[OrderByExpr],
        fields: &[Field],
        projection: &[Expr],
    ) -> Result<Vec<Sort>, SqlError> {
        let place = Place { clause: "ORDER BY", aggregates: true, windows: true };
        let mut sorts = Vec::new();
        for term in terms {
            let by = match field_of(term, fields)? {
                Some(at) => SortKey::Field(at),
                None => {
                    let value = self.within(place, |this| this.expr(&term.expr))?;
                    match projection.iter().position(|output| *output == value) {
                        Some(at) => SortKey::Field(at),
                        None => SortKey::Expr(value),
                    }
                }
            };
            sorts.push(sort(term, by, fields)?);
        }
        Ok(sorts)
    }

    /// After a set operation there are result columns only.
    pub(super) fn order_by_fields(
        &mut self,
        terms: &[OrderByExpr],
        fields: &[Field],
    ) -> Result<Vec<Sort>, SqlError> {
        let mut sorts = Vec::new();
        for term in terms {
            let at = field_of(term, fields)?.ok_or_else(|| {
                let reason = "here it can only name result columns";
                SqlError::refused(
                    format!("ORDER BY {}", term.expr),
                    reason,
                    "put the query into FROM and sort around it",
                )
            })?;
            sorts.push(sort(term, SortKey::Field(at), fields)?);
        }
        Ok(sorts)
    }

    /// ORDER BY of a window or within an aggregate: expressions alone.
    pub(super) fn sort_expressions(&mut self, terms: &[OrderByExpr]) -> Result<Vec<Sort>, SqlError> {
        let mut sorts = Vec::new();
        for term in terms {
            let value = self.expr(&term.expr)?;
            sorts.push(sort(term, SortKey::Expr(value), &[])?);
        }
        Ok(sorts)
    }
}

fn sort(term: &OrderByExpr, by: SortKey, fields: &[Field]) -> Result<Sort, SqlError> {
    let clause = || format!("ORDER BY {}", term.expr);
    if term.with_fill.is_some() {
        return Err(SqlError::refused(clause(), "WITH FILL is no PostgreSQL", "leave it out"));
    }
    let ty = match &by {
        SortKey::Field(at) => fields[*at].ty,
        SortKey::Expr(expr) => expr.ty,
    };
    if !ty.is_comparable() {
        return Err(SqlError::refused(
            clause(),
            format!("{ty} is not compared"),
            "take a field out of it with ->>",
        ));
    }
    let descending = match &term.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(_) => return Err(SqlError::refused(clause(), "USING is not supported", "use ASC or DESC")),
    };
    Ok(Sort { by, descending, nulls_first: term.options.nulls_first.unwrap_or(descending) })
}

/// The result column that a number or a bare name stands for.
fn field_of(term: &OrderByExpr, fields: &[Field]) -> Result<Option<usize>, SqlError> {
    if let Some(at) = ordinal(&term.expr) {
        return match at.checked_sub(1).filter(|at| *at < fields.len()) {
            Some(at) => Ok(Some(at)),
            None => Err(SqlError::wrong(format!("ORDER BY {at}"), "there is no such result column")),
        };
    }
    let ast::Expr::Identifier(ident) = &term.expr else { return Ok(None) };
    let name = fold(ident);
    let mut found = fields.iter().enumerate().filter(|(_, field)| field.name == name).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(SqlError::wrong(format!("ORDER BY {name}"), "more than one result column has this name"))
        }
        (first, _) => Ok(first),
    }
}

/// A whole number that stands for a result column.
pub(super) fn ordinal(expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// What PostgreSQL calls a result column without an alias.
pub(super) fn name_of(expr: &ast::Expr) -> String {
    use ast::Expr as E;
    let fixed = |name: &str| name.to_owned();
    match expr {
        E::Identifier(ident) => fold(ident),
        E::CompoundIdentifier(parts) => parts.last().map(fold).unwrap_or_default(),
        E::Nested(inner) => name_of(inner),
        E::Function(function) => match function.name.0.last() {
            Some(ast::ObjectNamePart::Identifier(ident)) => fold(ident),
            _ => fixed("?column?"),
        },
        E::Cast { expr, data_type, .. } => match name_of(expr) {
            name if name == "?column?" => super::cast::type_name(data_type),
            name => name,
        },
        E::TypedString(typed) => super::cast::type_name(&typed.data_type),
        E::Interval(_) => fixed("interval"),
        E::Case { else_result, .. } => match else_result.as_deref().map(name_of) {
            Some(name)
                if matches!(else_result.as_deref(), Some(E::Identifier(_) | E::CompoundIdentifier(_))) =>
            {
                name
            }
            _ => fixed("case"),
        },
        E::Extract { .. } => fixed("extract"),
        E::Ceil { .. } => fixed("ceil"),
        E::Floor { .. } => fixed("floor"),
        E::Position { .. } => fixed("position"),
        E::Substring { .. } => fixed("substring"),
        E::Trim { trim_where, .. } => fixed(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        E::Exists { .. } => fixed("exists"),
        E::Value(value) if matches!(value.value, Value::Boolean(_)) => fixed("bool"),
        E::Subquery(query) => match &*query.body {
            ast::SetExpr::Select(select) => match select.projection.first() {
                Some(ast::SelectItem::UnnamedExpr(expr)) => name_of(expr),
                Some(ast::SelectItem::ExprWithAlias { alias, .. }) => fold(alias),
                _ => fixed("?column?"),
            },
            _ => fixed("?column?"),
        },
        _ => fixed("?column?"),
    }
}
