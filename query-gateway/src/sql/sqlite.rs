//! The text of SQLite, for those who know no other store.

pub(crate) use super::text::quoted;
use super::{relational::Expr, text::Dialect};

/// Writes down a condition that is all of a WHERE or ON, or one of those that AND joins in it.
pub(crate) fn condition(expr: &Expr) -> String {
    Dialect::Sqlite.condition(expr)
}

/// Writes an expression down.
pub(crate) fn expression(expr: &Expr) -> String {
    Dialect::Sqlite.expression(expr)
}

/// Writes an expression down, with the collation by which its values are the same or not.
pub(crate) fn key_expression(expr: &Expr) -> String {
    Dialect::Sqlite.key_expression(expr)
}

pub(crate) fn collation(ty: super::types::Ty) -> Option<&'static str> {
    Dialect::Sqlite.collation(ty)
}
