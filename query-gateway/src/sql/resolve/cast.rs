//! Conversions: those that are written, and those that PostgreSQL makes by itself.

use sqlparser::ast::{self, CastKind, DataType, ExactNumberInfo, TimezoneInfo, TypedString, Value};

use super::{Resolver, literal};
use crate::sql::{
    error::SqlError,
    functions,
    relational::{Expr, ExprKind, Literal},
    types::Ty,
};

impl Resolver<'_> {
    /// Implicit conversion.
    pub(super) fn coerce(&mut self, expr: Expr, to: Ty, clause: &str) -> Result<Expr, SqlError> {
        if expr.ty.implicit_cost(to).is_none() {
            let reason = format!("it must be {to} and is {}", expr.ty);
            return Err(SqlError::refused(clause, reason, "cast it"));
        }
        convert(expr, to)
    }

    pub(super) fn cast(
        &mut self,
        kind: &CastKind,
        expr: &ast::Expr,
        data_type: &DataType,
    ) -> Result<Expr, SqlError> {
        if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
            return Err(SqlError::refused("TRY_CAST", "it is no PostgreSQL", "use CAST"));
        }
        let operand = self.expr(expr)?;
        self.explicit(operand, data_type)
    }

    /// `timestamptz '2024-01-31'`.
    pub(super) fn typed_string(&mut self, typed: &TypedString) -> Result<Expr, SqlError> {
        let Value::SingleQuotedString(_) = &typed.value.value else {
            return Err(SqlError::wrong(typed.to_string(), "the value must be quoted"));
        };
        let operand = literal::value(&typed.value.value)?;
        self.explicit(operand, &typed.data_type)
    }

    fn explicit(&mut self, operand: Expr, data_type: &DataType) -> Result<Expr, SqlError> {
        let (to, fit) = target(data_type)?;
        if !operand.ty.casts_to(to) {
            let alternative = match (operand.ty, to) {
                (Ty::Bool, ty) if ty.is_number() => "write CASE WHEN .. THEN 1 ELSE 0 END",
                (ty, Ty::Bool) if ty.is_number() => "compare it: x <> 0",
                (Ty::Jsonb, _) => "take the field out as text first: (x ->> 'field')::type",
                (_, Ty::Timestamptz) => "use to_timestamp(seconds)",
                _ => "",
            };
            let reason = format!("{} does not convert to {to}", operand.ty);
            return Err(SqlError::refused("CAST", reason, alternative));
        }
        let cast = convert(operand, to)?;
        match fit {
            None => Ok(cast),
            Some((precision, scale)) => {
                let arguments = vec![cast, literal::bigint(precision), literal::bigint(scale)];
                self.call_overload("numeric fit", arguments)
            }
        }
    }

    /// Any value as `concat` takes it: as it is shown, which is short for a boolean.
    pub(super) fn as_output(&mut self, expr: Expr, clause: &str) -> Result<Expr, SqlError> {
        if expr.ty != Ty::Bool {
            return self.as_text(expr, clause);
        }
        let is = |value: bool| ExprKind::IsTruth { operand: Box::new(expr.clone()), value, negated: false };
        let branch = |value: bool, text: &str| (Expr::new(is(value), Ty::Bool, false), literal::text(text));
        let branches = vec![branch(true, "t"), branch(false, "f")];
        Ok(Expr::new(ExprKind::Case { branches, otherwise: None }, Ty::Text, expr.nullable))
    }

    /// Any value as text, as `||` takes it.
    pub(super) fn as_text(&mut self, expr: Expr, clause: &str) -> Result<Expr, SqlError> {
        if !expr.ty.casts_to(Ty::Text) {
            return Err(SqlError::refused(clause, format!("{} does not convert to text", expr.ty), ""));
        }
        convert(expr, Ty::Text)
    }

    /// Any value as jsonb: NULL becomes null.
    pub(super) fn as_jsonb(&mut self, expr: Expr) -> Result<Expr, SqlError> {
        let expr = match expr.ty {
            Ty::Unknown => convert(expr, Ty::Text)?,
            Ty::Date => convert(expr, Ty::Text)?,
            _ => expr,
        };
        self.call_overload(functions::TO_JSONB, vec![expr])
    }
}

/// A conversion that is known to exist. Literals are converted here and now.
pub(super) fn convert(expr: Expr, to: Ty) -> Result<Expr, SqlError> {
    if expr.ty == to {
        return Ok(expr);
    }
    match &expr.kind {
        ExprKind::Literal(Literal::Null) => return Ok(Expr::null(to)),
        ExprKind::Literal(Literal::Text(text)) if expr.ty == Ty::Unknown => return literal::typed(text, to),
        ExprKind::Literal(Literal::Integer(value))
            if matches!(expr.ty, Ty::Integer | Ty::Bigint) && to.is_number() =>
        {
            return literal::typed(&value.to_string(), to);
        }
        ExprKind::Literal(Literal::Text(text)) if expr.ty == Ty::Numeric && to == Ty::Double => {
            return literal::typed(text, to);
        }
        _ => {}
    }
    let nullable = expr.nullable;
    Ok(Expr::new(ExprKind::Cast(Box::new(expr)), to, nullable))
}

/// Type, and precision and scale of a numeric.
fn target(data_type: &DataType) -> Result<(Ty, Option<(i64, i64)>), SqlError> {
    let refused = |alternative: &str| {
        Err(SqlError::refused(format!("type {data_type}"), "it is not supported", alternative.to_owned()))
    };
    let ty = match data_type {
        DataType::Boolean | DataType::Bool => Ty::Bool,
        DataType::BigInt(None) | DataType::Int8(None) => Ty::Bigint,
        DataType::DoublePrecision | DataType::Float8 | DataType::Double(ExactNumberInfo::None) => Ty::Double,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            return Ok((Ty::Numeric, fit(info)?));
        }
        DataType::Text => Ty::Text,
        DataType::Bytea => Ty::Bytea,
        DataType::Timestamp(None | Some(6), TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Ty::Timestamptz,
        DataType::Date => Ty::Date,
        DataType::Interval { fields: None, precision: None } => Ty::Interval,
        DataType::JSONB => Ty::Jsonb,
        DataType::Int(_)
        | DataType::Integer(_)
        | DataType::Int4(_)
        | DataType::SmallInt(_)
        | DataType::Int2(_) => {
            return refused("write bigint");
        }
        DataType::Real | DataType::Float4 | DataType::Float(_) => return refused("write double precision"),
        DataType::Timestamp(..) => return refused("write timestamptz; times are UTC"),
        DataType::JSON => return refused("write jsonb"),
        DataType::Varchar(_)
        | DataType::CharacterVarying(_)
        | DataType::Char(_)
        | DataType::Character(_)
        | DataType::Uuid => {
            return refused("write text");
        }
        _ => {
            return refused(
                "use boolean, bigint, double precision, numeric, text, bytea, timestamptz, interval or jsonb",
            );
        }
    };
    Ok((ty, None))
}

fn fit(info: &ExactNumberInfo) -> Result<Option<(i64, i64)>, SqlError> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(None),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match i64::try_from(precision) {
        Ok(precision) if (1..=1_000).contains(&precision) && (0..=precision).contains(&scale) => {
            Ok(Some((precision, scale)))
        }
        _ => Err(SqlError::wrong(
            "numeric",
            "the precision must be 1 to 1000 and the scale 0 to the precision",
        )),
    }
}

/// PostgreSQL's internal name of a type, which names result columns.
pub(super) fn type_name(data_type: &DataType) -> String {
    match target(data_type) {
        Ok((Ty::Bool, _)) => "bool".to_owned(),
        Ok((Ty::Bigint, _)) => "int8".to_owned(),
        Ok((Ty::Double, _)) => "float8".to_owned(),
        Ok((ty, _)) => ty.to_string(),
        Err(_) => "?column?".to_owned(),
    }
}
