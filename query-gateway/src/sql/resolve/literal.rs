//! Constants, and quoted literals that take the type of their place.

use sqlparser::ast::{self, Value};
use tributary_sqlite::{interval::Interval, literal, numeric::Numeric, timestamp};

use crate::sql::{
    error::SqlError,
    relational::{Expr, ExprKind, Literal},
    types::Ty,
};

fn constant(literal: Literal, ty: Ty) -> Expr {
    Expr::new(ExprKind::Literal(literal), ty, false)
}

/// A bigint constant.
pub(super) fn bigint(value: i64) -> Expr {
    constant(Literal::Integer(value), Ty::Bigint)
}

/// A text constant.
pub(super) fn text(value: &str) -> Expr {
    constant(Literal::Text(value.to_owned()), Ty::Text)
}

/// A constant as it stands in the text.
pub(super) fn value(value: &Value) -> Result<Expr, SqlError> {
    match value {
        Value::Null => Ok(Expr::null(Ty::Unknown)),
        Value::Boolean(value) => Ok(constant(Literal::Bool(*value), Ty::Bool)),
        Value::Number(digits, _) => number(digits),
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text) => quoted(text),
        Value::DollarQuotedString(text) => quoted(&text.value),
        other => {
            Err(SqlError::refused(other.to_string(), "this kind of literal is not supported", "write '..'"))
        }
    }
}

fn quoted(text: &str) -> Result<Expr, SqlError> {
    if text.contains('\0') {
        return Err(SqlError::wrong("literal", "text cannot hold the character 0"));
    }
    Ok(constant(Literal::Text(text.to_owned()), Ty::Unknown))
}

/// Digits alone are integer or bigint where they fit, all else is numeric.
fn number(digits: &str) -> Result<Expr, SqlError> {
    if let Ok(value) = digits.parse::<i64>() {
        let ty = if i32::try_from(value).is_ok() { Ty::Integer } else { Ty::Bigint };
        return Ok(constant(Literal::Integer(value), ty));
    }
    let numeric = Numeric::parse(digits).map_err(|failure| SqlError::wrong(digits, failure.to_string()))?;
    Ok(constant(Literal::Text(numeric.to_string()), Ty::Numeric))
}

/// A negative number is one literal: the smallest bigint has no positive counterpart.
pub(super) fn negative(digits: &str) -> Result<Expr, SqlError> {
    number(&format!("-{digits}"))
}

/// A quoted literal as a value of a type.
pub(super) fn typed(text: &str, ty: Ty) -> Result<Expr, SqlError> {
    let literal = match ty {
        Ty::Text | Ty::Unknown => Ok(Literal::Text(text.to_owned())),
        Ty::Bool => literal::parse_bool(text).map(Literal::Bool),
        Ty::Integer | Ty::Bigint | Ty::Whole => literal::parse_bigint(text).map(Literal::Integer),
        Ty::Double => literal::parse_double(text).map(Literal::Double),
        Ty::Numeric => Numeric::parse(text).map(|numeric| Literal::Text(numeric.to_string())),
        Ty::Timestamptz => timestamp::parse(text).map(Literal::Integer),
        Ty::Date => {
            timestamp::parse(text).and_then(|at| timestamp::truncate("day", at)).map(Literal::Integer)
        }
        Ty::Interval => Interval::parse(text).map(|interval| Literal::Text(interval.to_string())),
        Ty::Jsonb => literal::parse_jsonb(text).map(Literal::Text),
        Ty::Bytea => match decode_hex(text) {
            Some(bytes) => Ok(Literal::Bytes(bytes)),
            None => {
                return Err(SqlError::refused(
                    format!("'{text}'"),
                    "it is no bytea",
                    "write '\\x' and hex digits",
                ));
            }
        },
    };
    literal
        .map(|literal| constant(literal, ty))
        .map_err(|failure| SqlError::wrong(format!("'{text}'"), failure.to_string()))
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?;
    let bytes = digits.as_bytes();
    if bytes.len() % 2 != 0 || !bytes.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..bytes.len()).step_by(2).map(pair).collect()
}

/// `interval '90 days'` and `interval '90' day`.
pub(super) fn interval(interval: &ast::Interval) -> Result<Expr, SqlError> {
    let clause = interval.to_string();
    let refused = |reason: &str| SqlError::refused(clause.clone(), reason, "write interval '1 day 02:00'");
    let ast::Expr::Value(value) = interval.value.as_ref() else {
        return Err(SqlError::refused(clause, "it must be a literal", "multiply: x * interval '1 day'"));
    };
    let Value::SingleQuotedString(text) = &value.value else {
        return Err(refused("it must be quoted"));
    };
    if interval.last_field.is_some()
        || interval.leading_precision.is_some()
        || interval.fractional_seconds_precision.is_some()
    {
        return Err(refused("ranges of fields are not supported"));
    }
    match &interval.leading_field {
        None => typed(text, Ty::Interval),
        Some(field) => match Interval::of(text.trim(), &field.to_string()) {
            Some(interval) => Ok(constant(Literal::Text(interval.to_string()), Ty::Interval)),
            None => typed(text, Ty::Interval),
        },
    }
}
