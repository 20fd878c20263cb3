//! Predicates: IS, IN, BETWEEN, LIKE, EXISTS.

use sqlparser::ast::{self, Expr as E};

use super::{Resolver, literal};
use crate::sql::{
    error::SqlError,
    relational::{Comparison, Expr, ExprKind},
    types::Ty,
};

/// The conjunction; one condition stands for itself.
pub(super) fn all_of(mut conditions: Vec<Expr>) -> Expr {
    let nullable = conditions.iter().any(|condition| condition.nullable);
    match conditions.len() {
        1 => conditions.remove(0),
        _ => Expr::new(ExprKind::And(conditions), Ty::Bool, nullable),
    }
}

impl Resolver<'_> {
    pub(super) fn predicate(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        match expr {
            E::IsTrue(operand) => self.is_truth(operand, true, false),
            E::IsNotTrue(operand) => self.is_truth(operand, true, true),
            E::IsFalse(operand) => self.is_truth(operand, false, false),
            E::IsNotFalse(operand) => self.is_truth(operand, false, true),
            E::IsUnknown(operand) => {
                self.condition(operand, "IS UNKNOWN").map(|operand| is_null(operand, false))
            }
            E::IsNotUnknown(operand) => {
                self.condition(operand, "IS UNKNOWN").map(|operand| is_null(operand, true))
            }
            E::IsNull(operand) => self.null_test(operand, false),
            E::IsNotNull(operand) => self.null_test(operand, true),
            E::IsDistinctFrom(left, right) => self.distinct_test(Comparison::Distinct, left, right),
            E::IsNotDistinctFrom(left, right) => self.distinct_test(Comparison::NotDistinct, left, right),
            E::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            E::InSubquery { expr, subquery, negated } => self.in_query(expr, subquery, *negated),
            E::Between { expr, negated, low, high } => self.between(expr, *negated, low, high),
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like("like", expr, pattern, escape_char.as_deref(), *negated)
            }
            E::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like("ilike", expr, pattern, escape_char.as_deref(), *negated)
            }
            E::Exists { subquery, negated } => {
                let query = Box::new(self.query(subquery)?);
                Ok(Expr::new(ExprKind::Exists { query, negated: *negated }, Ty::Bool, false))
            }
            other => Err(SqlError::refused(other.to_string(), "it is not supported", "")),
        }
    }

    fn is_truth(&mut self, operand: &ast::Expr, value: bool, negated: bool) -> Result<Expr, SqlError> {
        let operand = Box::new(self.condition(operand, "IS TRUE")?);
        Ok(Expr::new(ExprKind::IsTruth { operand, value, negated }, Ty::Bool, false))
    }

    fn null_test(&mut self, operand: &ast::Expr, negated: bool) -> Result<Expr, SqlError> {
        let operand = self.expr(operand)?;
        let ty = super::query::settled(operand.ty);
        Ok(is_null(self.coerce(operand, ty, "IS NULL")?, negated))
    }

    fn distinct_test(
        &mut self,
        operator: Comparison,
        left: &ast::Expr,
        right: &ast::Expr,
    ) -> Result<Expr, SqlError> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.compare(operator, left, right, "IS DISTINCT FROM")
    }

    fn in_list(&mut self, operand: &ast::Expr, list: &[ast::Expr], negated: bool) -> Result<Expr, SqlError> {
        let mut all = vec![self.expr(operand)?];
        for item in list {
            all.push(self.expr(item)?);
        }
        let (mut all, ty) = self.common_type("IN", all)?;
        if !ty.is_comparable() {
            return Err(SqlError::refused(
                "IN",
                format!("{ty} is not compared"),
                "take a field out of it with ->>",
            ));
        }
        let nullable = all.iter().any(|item| item.nullable);
        let operand = Box::new(all.remove(0));
        Ok(Expr::new(ExprKind::InList { operand, list: all, negated }, Ty::Bool, nullable))
    }

    fn in_query(&mut self, operand: &ast::Expr, query: &ast::Query, negated: bool) -> Result<Expr, SqlError> {
        let operand = self.expr(operand)?;
        let mut query = self.query(query)?;
        let [field] = query.fields.as_slice() else {
            return Err(SqlError::refused("IN", "the sub-query must have one column", "use EXISTS for more"));
        };
        let field_ty = field.ty;
        let common = operand.ty.common(field_ty).filter(|ty| ty.is_comparable()).ok_or_else(|| {
            SqlError::refused(
                "IN",
                format!("{} and {field_ty} cannot be compared", operand.ty),
                "cast one of them",
            )
        })?;
        let nullable = operand.nullable || field.nullable;
        let operand = Box::new(self.coerce(operand, common, "IN")?);
        self.retype(&mut query, &[common])?;
        Ok(Expr::new(ExprKind::InQuery { operand, query: Box::new(query), negated }, Ty::Bool, nullable))
    }

    fn between(
        &mut self,
        operand: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
    ) -> Result<Expr, SqlError> {
        let (operand, low, high) = (self.expr(operand)?, self.expr(low)?, self.expr(high)?);
        let above = self.compare(Comparison::GreaterOrEqual, operand.clone(), low, "BETWEEN")?;
        let below = self.compare(Comparison::LessOrEqual, operand, high, "BETWEEN")?;
        let both = all_of(vec![above, below]);
        let nullable = both.nullable;
        Ok(if negated { Expr::new(ExprKind::Not(Box::new(both)), Ty::Bool, nullable) } else { both })
    }

    fn like(
        &mut self,
        name: &str,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        negated: bool,
    ) -> Result<Expr, SqlError> {
        let escape = match escape {
            Some(escape) => self.expr(escape)?,
            None => literal::text("\\"),
        };
        let arguments = vec![self.expr(operand)?, self.expr(pattern)?, escape];
        let call = self.call_overload(name, arguments)?;
        let nullable = call.nullable;
        Ok(if negated { Expr::new(ExprKind::Not(Box::new(call)), Ty::Bool, nullable) } else { call })
    }
}

fn is_null(operand: Expr, negated: bool) -> Expr {
    Expr::new(ExprKind::IsNull { operand: Box::new(operand), negated }, Ty::Bool, false)
}
