//! The relational form as the text of a store: one writer for both dialects.
//!
//! Statements are built alike in both: clauses, joins, windows and most expressions are written in one place, in `query`
//! and `expression`. What a value looks like, how it is converted, and what a function is called is each dialect's own,
//! in `sqlite` and `postgres`; so is the rest of what SQLite needs to answer like PostgreSQL, above all collations.
//! A second writer beside this one would be the same again in other words; and a store that is asked in a third dialect
//! adds a file.

mod expression;
mod postgres;
mod query;
mod sqlite;

use super::{
    Type,
    relational::{Expr, ExprKind, Literal, Query},
    types::Ty,
};

/// Whose text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// With the functions and collations of `tributary_sqlite`.
    #[default]
    Sqlite,
    /// PostgreSQL 15 or newer, in a session with the settings of [`POSTGRES_SESSION`].
    Postgres,
}

pub use postgres::SESSION as POSTGRES_SESSION;
pub(crate) use postgres::{TALLY_STEP, digits, name as type_name};

impl Dialect {
    /// Writes a statement down.
    pub(crate) fn query(self, query: &Query) -> String {
        self.written(|writer| writer.query(query))
    }

    /// Writes an expression down.
    pub(crate) fn expression(self, expr: &Expr) -> String {
        self.written(|writer| writer.expr(expr))
    }

    /// Writes down a condition that is all of a WHERE or ON, or one of those that AND joins in it.
    pub(crate) fn condition(self, expr: &Expr) -> String {
        self.written(|writer| writer.condition(expr))
    }

    /// Writes an expression down, with the collation by which its values are the same or not.
    pub(crate) fn key_expression(self, expr: &Expr) -> String {
        self.written(|writer| writer.key(expr))
    }

    /// The same as a column of a result, which says by what it is ordered.
    pub(crate) fn result(self, expr: &Expr) -> String {
        self.written(|writer| writer.ordered(expr))
    }

    /// NULL, of a type: PostgreSQL takes it for a text where nothing else says of which it is.
    pub(crate) fn null(self, ty: Type) -> String {
        match self {
            Dialect::Sqlite => "NULL".to_owned(),
            Dialect::Postgres => format!("NULL::{ty}"),
        }
    }

    /// By what values of a type are compared, where a column or an expression does not say so by itself. PostgreSQL's types
    /// compare as they should.
    pub(crate) fn collation(self, ty: Ty) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => sqlite::collation(ty),
            Dialect::Postgres => None,
        }
    }

    fn written(self, write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer { dialect: self, text: String::new() };
        write(&mut writer);
        writer.text
    }
}

/// The text so far.
struct Writer {
    dialect: Dialect,
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

/// Whether no row has a part in it and the text says its value.
fn literal(expr: &Expr) -> Option<&Literal> {
    match &expr.kind {
        ExprKind::Literal(literal) => Some(literal),
        _ => None,
    }
}

/// Whether a conversion can be written down.
#[cfg(test)]
pub(super) fn is_rendered(from: Ty, to: Ty) -> bool {
    sqlite::cast(from, to).is_some() && postgres::cast(from, to).is_some()
}
