//! The relational form as SQLite text. The functions and collations in it are those of `tributary_sqlite`.
//!
//! How values are kept: boolean INTEGER 0/1; bigint INTEGER; numeric TEXT in decimal digits, compared by the collation
//! `pg_numeric` (a whole one, see [`Ty::Whole`], INTEGER); double REAL; text TEXT in binary order; bytea BLOB;
//! timestamptz and date INTEGER microseconds since 1970, UTC; interval TEXT, compared by `pg_interval`; jsonb TEXT.

mod expression;
mod query;

use super::{
    relational::{Expr, Query},
    types::Ty,
};

/// Writes a statement down.
pub(super) fn render(query: &Query) -> String {
    let mut writer = Writer::default();
    writer.query(query);
    writer.text
}

/// Writes an expression down.
pub(crate) fn expression(expr: &Expr) -> String {
    let mut writer = Writer::default();
    writer.expr(expr);
    writer.text
}

/// Writes down a condition that is all of a WHERE or ON, or one of those that AND joins in it.
pub(crate) fn condition(expr: &Expr) -> String {
    let mut writer = Writer::default();
    writer.condition(expr);
    writer.text
}

/// Writes an expression down, with the collation by which its values are the same or not.
pub(crate) fn key_expression(expr: &Expr) -> String {
    let mut writer = Writer::default();
    writer.key(expr);
    writer.text
}

/// The text so far.
#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn identifier(&mut self, name: &str) {
        self.push(&quoted(name));
    }

    /// Items with commas between them.
    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            write(self, item);
        }
    }
}

/// An identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// By what values of a type are compared; `None`: as SQLite compares by itself.
pub(crate) fn collation(ty: Ty) -> Option<&'static str> {
    match ty {
        Ty::Numeric => Some("pg_numeric"),
        Ty::Interval => Some("pg_interval"),
        _ => None,
    }
}

/// Whether a conversion can be written down.
#[cfg(test)]
pub(super) fn is_rendered(from: Ty, to: Ty) -> bool {
    expression::cast(from, to).is_some()
}
