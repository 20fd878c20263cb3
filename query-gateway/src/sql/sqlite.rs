//! The text of SQLite, for those who know no other store.

pub(crate) use super::text::quoted;
use super::{relational::Expr, text::Dialect};

/// Writes down a condition that is all of a WHERE or ON, or one of those that AND joins in it.
pub(crate) fn condition(expr: &Expr) -> String {
    Dialect::Sqlite.condition(expr)
}
