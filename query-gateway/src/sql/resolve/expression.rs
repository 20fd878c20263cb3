//! Expressions: which rule reads which node of the syntax tree.

use sqlparser::ast::{self, Ident, Spanned, Value};

use super::{Resolver, fold};
use crate::sql::{
    error::SqlError,
    relational::{Expr, ExprKind},
    scope,
    types::Ty,
};

impl Resolver<'_> {
    /// Resolves and types an expression.
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        self.deeper(|this| this.any_expr(expr)).map_err(|error| error.at(expr.span()))
    }

    /// An expression that decides: of type boolean.
    pub(super) fn condition(&mut self, expr: &ast::Expr, clause: &str) -> Result<Expr, SqlError> {
        let condition = self.expr(expr)?;
        if !matches!(condition.ty, Ty::Bool | Ty::Unknown) {
            let reason = format!("it must be boolean and is {}", condition.ty);
            return Err(SqlError::refused(clause, reason, "compare it with something").at(expr.span()));
        }
        self.coerce(condition, Ty::Bool, clause)
    }

    fn any_expr(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        use ast::Expr as E;
        match expr {
            E::Identifier(ident) => scope::resolve(&self.scopes, None, &fold(ident)),
            E::CompoundIdentifier(parts) => self.qualified(parts),
            E::Nested(inner) => self.expr(inner),
            E::Value(value) => match &value.value {
                Value::Placeholder(name) => self.parameter(name),
                other => super::literal::value(other),
            },
            E::TypedString(typed) => self.typed_string(typed),
            E::Interval(interval) => super::literal::interval(interval),
            E::BinaryOp { left, op, right } => self.binary(left, op, right),
            E::UnaryOp { op, expr } => self.unary(op, expr),
            E::Cast { kind, expr, data_type, format: None } => self.cast(kind, expr, data_type),
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            E::Function(function) => self.function(function),
            E::Subquery(query) => self.scalar_query(query),
            E::Extract { .. }
            | E::Ceil { .. }
            | E::Floor { .. }
            | E::Position { .. }
            | E::Substring { .. }
            | E::Trim { .. } => self.special_call(expr),
            E::IsTrue(_)
            | E::IsNotTrue(_)
            | E::IsFalse(_)
            | E::IsNotFalse(_)
            | E::IsUnknown(_)
            | E::IsNotUnknown(_)
            | E::IsNull(_)
            | E::IsNotNull(_)
            | E::IsDistinctFrom(..)
            | E::IsNotDistinctFrom(..)
            | E::InList { .. }
            | E::InSubquery { .. }
            | E::Between { .. }
            | E::Like { .. }
            | E::ILike { .. }
            | E::Exists { .. } => self.predicate(expr),
            other => Err(refused(other)),
        }
    }

    fn qualified(&mut self, parts: &[Ident]) -> Result<Expr, SqlError> {
        match parts {
            [table, name] => scope::resolve(&self.scopes, Some(&fold(table)), &fold(name)),
            _ => {
                let name = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                Err(SqlError::refused(format!("\"{name}\""), "there are no schemas", "write table.column"))
            }
        }
    }

    fn parameter(&mut self, placeholder: &str) -> Result<Expr, SqlError> {
        let known = || {
            let names = self.parameters.iter().map(|parameter| format!(":{}", parameter.name));
            match names.collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "write the value itself".to_owned(),
                names => format!("there are {names}"),
            }
        };
        let Some(name) = placeholder.strip_prefix(':') else {
            return Err(SqlError::refused(placeholder, "parameters are named", known()));
        };
        let Some(at) = self.parameters.iter().position(|parameter| parameter.name == name) else {
            return Err(SqlError::refused(placeholder, "there is no such parameter", known()));
        };
        let number = self.used_parameters.iter().position(|used| *used == at).unwrap_or_else(|| {
            self.used_parameters.push(at);
            self.used_parameters.len() - 1
        });
        Ok(Expr::new(ExprKind::Parameter(number), Ty::from(self.parameters[at].ty), true))
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr, SqlError> {
        let operand = operand.map(|operand| self.expr(operand)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for ast::CaseWhen { condition, result } in conditions {
            tests.push(match &operand {
                None => self.condition(condition, "CASE WHEN")?,
                Some(operand) => {
                    let value = self.expr(condition)?;
                    self.compare(crate::sql::relational::Comparison::Equal, operand.clone(), value, "CASE")?
                }
            });
            results.push(self.expr(result)?);
        }
        let has_otherwise = otherwise.is_some();
        results.extend(otherwise.map(|otherwise| self.expr(otherwise)).transpose()?);
        let (mut results, ty) = self.common_type("CASE", results)?;
        let nullable = !has_otherwise || results.iter().any(|result| result.nullable);
        let otherwise = if has_otherwise { results.pop().map(Box::new) } else { None };
        let branches = tests.into_iter().zip(results).collect();
        Ok(Expr::new(ExprKind::Case { branches, otherwise }, ty, nullable))
    }

    fn scalar_query(&mut self, query: &ast::Query) -> Result<Expr, SqlError> {
        let query = self.query(query)?;
        let [field] = query.fields.as_slice() else {
            return Err(SqlError::wrong("sub-query", "as a value it must have one column"));
        };
        let ty = field.ty;
        Ok(Expr::new(ExprKind::Scalar(Box::new(query)), ty, true))
    }

    /// Converts expressions that stand for one another to one type.
    pub(super) fn common_type(
        &mut self,
        clause: &str,
        exprs: Vec<Expr>,
    ) -> Result<(Vec<Expr>, Ty), SqlError> {
        let mut common = Ty::Unknown;
        for expr in &exprs {
            common = common.common(expr.ty).ok_or_else(|| {
                let reason = format!("types {common} and {} cannot be matched", expr.ty);
                SqlError::refused(clause, reason, "cast one of them")
            })?;
        }
        let common = super::query::settled(common);
        let exprs = exprs.into_iter().map(|expr| self.coerce(expr, common, clause));
        Ok((exprs.collect::<Result<_, _>>()?, common))
    }
}

/// What is parsed and not supported, and what to write instead.
fn refused(expr: &ast::Expr) -> SqlError {
    use ast::Expr as E;
    let (clause, alternative) = match expr {
        E::Array(_) | E::CompoundFieldAccess { .. } => ("arrays", "use jsonb_agg and ->"),
        E::AnyOp { .. } | E::AllOp { .. } => ("ANY and ALL", "use IN (..), EXISTS or max(..)"),
        E::Tuple(_) => ("rows as values", "compare the columns one by one"),
        E::SimilarTo { .. } | E::RLike { .. } => ("regular expressions", "use LIKE"),
        E::AtTimeZone { .. } => ("AT TIME ZONE", "times are UTC; shift them with an interval"),
        E::Collate { .. } => ("COLLATE", "text is in binary order, always"),
        E::Overlay { .. } => ("OVERLAY", "use left(..) || .. || substring(..)"),
        E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => ("GROUPING SETS", "use UNION ALL"),
        _ => return SqlError::refused(expr.to_string(), "it is not supported", ""),
    };
    SqlError::refused(clause, "they are not supported".replace("they are", verb(clause)), alternative)
}

fn verb(clause: &str) -> &'static str {
    if clause.chars().next().is_some_and(char::is_lowercase) || clause.contains("and") {
        "they are"
    } else {
        "it is"
    }
}
