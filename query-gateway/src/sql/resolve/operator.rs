//! Operators between values.

use sqlparser::ast::{self, BinaryOperator, UnaryOperator, Value};

use super::{Resolver, literal, predicate::all_of};
use crate::sql::{
    error::SqlError,
    functions::{self, Nulls},
    relational::{Comparison, Expr, ExprKind},
    types::Ty,
};

impl Resolver<'_> {
    pub(super) fn binary(
        &mut self,
        left: &ast::Expr,
        operator: &BinaryOperator,
        right: &ast::Expr,
    ) -> Result<Expr, SqlError> {
        if let Some(comparison) = comparison(operator) {
            let (left, right) = (self.expr(left)?, self.expr(right)?);
            return self.compare(comparison, left, right, &operator.to_string());
        }
        match operator {
            BinaryOperator::And | BinaryOperator::Or => self.logical(left, operator, right),
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::Arrow
            | BinaryOperator::LongArrow => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.arithmetic(&operator.to_string(), left, right)
            }
            BinaryOperator::StringConcat => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.concatenate(left, right)
            }
            BinaryOperator::PGLikeMatch | BinaryOperator::PGILikeMatch => {
                Err(SqlError::refused(operator.to_string(), "it is not supported", "write LIKE or ILIKE"))
            }
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch => Err(SqlError::refused(
                operator.to_string(),
                "regular expressions are not supported",
                "use LIKE",
            )),
            BinaryOperator::PGExp => Err(SqlError::refused("^", "it is not supported", "use power(x, y)")),
            other => Err(SqlError::refused(format!("operator {other}"), "it is not supported", "")),
        }
    }

    /// Chains of AND and OR are long in practice: they are walked, not descended.
    fn logical(
        &mut self,
        left: &ast::Expr,
        operator: &BinaryOperator,
        right: &ast::Expr,
    ) -> Result<Expr, SqlError> {
        let mut operands = vec![right];
        let mut rest = left;
        while let ast::Expr::BinaryOp { left, op, right } = rest {
            if op != operator {
                break;
            }
            operands.push(right);
            rest = left;
        }
        operands.push(rest);
        let clause = operator.to_string();
        let conditions = operands.into_iter().rev().map(|operand| self.condition(operand, &clause));
        let conditions: Vec<Expr> = conditions.collect::<Result<_, _>>()?;
        if *operator == BinaryOperator::And {
            return Ok(all_of(conditions));
        }
        let nullable = conditions.iter().any(|condition| condition.nullable);
        Ok(Expr::new(ExprKind::Or(conditions), Ty::Bool, nullable))
    }

    fn arithmetic(&mut self, operator: &str, left: Expr, right: Expr) -> Result<Expr, SqlError> {
        // PostgreSQL knows `interval + timestamptz` and `number * interval` too: the same with sides exchanged.
        let exchanged = matches!(
            (operator, left.ty, right.ty),
            ("+", Ty::Interval, Ty::Timestamptz | Ty::Date) | ("+", Ty::Integer | Ty::Bigint, Ty::Date)
        ) || (operator == "*" && right.ty == Ty::Interval);
        let (left, right) = if exchanged { (right, left) } else { (left, right) };
        if operator == "/" && left.ty == Ty::Interval {
            return Err(SqlError::refused("/", "an interval is not divided", "multiply it by a fraction"));
        }
        self.call_overload(operator, vec![left, right])
    }

    /// One side must be text, the other becomes it.
    fn concatenate(&mut self, left: Expr, right: Expr) -> Result<Expr, SqlError> {
        let is_text = |ty: Ty| matches!(ty, Ty::Text | Ty::Unknown);
        if !is_text(left.ty) && !is_text(right.ty) {
            let reason = format!("there is no operator {} || {}", left.ty, right.ty);
            return Err(SqlError::refused("||", reason, "cast one of them to text"));
        }
        let (left, right) = (self.as_text(left, "||")?, self.as_text(right, "||")?);
        self.call_overload("||", vec![left, right])
    }

    pub(super) fn unary(&mut self, operator: &UnaryOperator, operand: &ast::Expr) -> Result<Expr, SqlError> {
        match operator {
            UnaryOperator::Not => {
                let condition = self.condition(operand, "NOT")?;
                let nullable = condition.nullable;
                Ok(Expr::new(ExprKind::Not(Box::new(condition)), Ty::Bool, nullable))
            }
            UnaryOperator::Plus => {
                let value = self.expr(operand)?;
                if !value.ty.is_number() && value.ty != Ty::Interval {
                    return Err(SqlError::wrong("+", format!("there is no operator + {}", value.ty)));
                }
                Ok(value)
            }
            UnaryOperator::Minus => {
                if let ast::Expr::Value(value) = operand
                    && let Value::Number(digits, _) = &value.value
                {
                    return literal::negative(digits);
                }
                let value = self.expr(operand)?;
                self.call_overload("negate", vec![value])
            }
            other => Err(SqlError::refused(format!("operator {other}"), "it is not supported", "")),
        }
    }

    /// A comparison in the common type of both sides.
    pub(super) fn compare(
        &mut self,
        operator: Comparison,
        left: Expr,
        right: Expr,
        clause: &str,
    ) -> Result<Expr, SqlError> {
        let (left_ty, right_ty) = (left.ty, right.ty);
        let common = left_ty.common(right_ty).map(super::query::settled).ok_or_else(|| {
            SqlError::refused(
                clause,
                format!("{left_ty} and {right_ty} cannot be compared"),
                "cast one of them",
            )
        })?;
        if !common.is_comparable() {
            return Err(SqlError::refused(
                clause,
                format!("{common} is not compared"),
                "take a field out of it with ->>",
            ));
        }
        let (left, right) = (self.coerce(left, common, clause)?, self.coerce(right, common, clause)?);
        let nullable = match operator {
            Comparison::Distinct | Comparison::NotDistinct => false,
            _ => left.nullable || right.nullable,
        };
        let kind = ExprKind::Compare { operator, left: Box::new(left), right: Box::new(right) };
        Ok(Expr::new(kind, Ty::Bool, nullable))
    }

    /// A call of the best overload, with the arguments converted to its types.
    pub(super) fn call_overload(&mut self, name: &str, arguments: Vec<Expr>) -> Result<Expr, SqlError> {
        let types: Vec<Ty> = arguments.iter().map(|argument| argument.ty).collect();
        let Some(function) = functions::choose(name, &types) else {
            return Err(no_overload(name, &types));
        };
        let mut converted = Vec::with_capacity(arguments.len());
        for (at, argument) in arguments.into_iter().enumerate() {
            converted.push(self.coerce(argument, function.argument(at), name)?);
        }
        let nullable = match function.nulls {
            Nulls::Strict => converted.iter().any(|argument| argument.nullable),
            Nulls::WhenAll => converted.iter().all(|argument| argument.nullable),
            Nulls::Maybe => true,
            Nulls::Never => false,
        };
        Ok(Expr::new(ExprKind::Call { function, arguments: converted }, function.result, nullable))
    }
}

fn no_overload(name: &str, types: &[Ty]) -> SqlError {
    let list = |types: &[Ty]| types.iter().map(Ty::to_string).collect::<Vec<_>>().join(", ");
    let mut known: Vec<String> = functions::overloads(name)
        .map(|function| {
            format!("({}{})", list(function.arguments), if function.variadic { ", .." } else { "" })
        })
        .collect();
    // Integer and bigint are one to users.
    known.dedup();
    let alternative = format!("{name} takes {}", known.join(" or "));
    SqlError::refused(name, format!("it does not take ({})", list(types)), alternative)
}

fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
