//! What names mean at a place of the statement.

use super::{
    error::{Problem, SqlError, nearest},
    relational::{Expr, ExprKind, SourceId},
};

/// A column that can be named.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Alias or name of its row source.
    pub(super) table: String,
    /// Its name.
    pub(super) name: String,
    /// What the name stands for.
    pub(super) value: Expr,
    /// Reached by `table.name` alone: USING has merged it with another, which comes first in `*`.
    pub(super) merged: bool,
}

/// The columns that a FROM clause makes visible, in the order of `*`.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) entries: Vec<Entry>,
}

impl Scope {
    /// The value of an unqualified or qualified name, if this scope knows it.
    pub(super) fn find(&self, table: Option<&str>, name: &str) -> Result<Option<&Expr>, SqlError> {
        let matches =
            |entry: &&Entry| entry.name == name && table.map_or(!entry.merged, |table| entry.table == table);
        let mut found = self.entries.iter().filter(matches);
        match (found.next(), found.next()) {
            (first, None) => Ok(first.map(|entry| &entry.value)),
            (_, Some(_)) => {
                let alternative = "put the name of its table before it, as in t.name";
                Err(SqlError::refused(
                    format!("column \"{name}\""),
                    "more than one table has it",
                    alternative,
                ))
            }
        }
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.entries.iter().any(|entry| entry.table == table)
    }

    pub(super) fn extend(&mut self, other: Scope) {
        self.entries.extend(other.entries);
    }

    /// Rows of these sources may be missing, as NULLs of an outer join.
    pub(super) fn make_nullable(&mut self) {
        for entry in &mut self.entries {
            entry.value.nullable = true;
        }
    }

    /// The source of a plain column.
    pub(super) fn source_of(value: &Expr) -> Option<SourceId> {
        match value.kind {
            ExprKind::Column { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Looks a name up from the innermost scope outwards: sub-queries see the columns of the queries around them.
pub(super) fn resolve(scopes: &[Scope], table: Option<&str>, name: &str) -> Result<Expr, SqlError> {
    for scope in scopes.iter().rev() {
        if let Some(value) = scope.find(table, name)? {
            return Ok(value.clone());
        }
    }
    Err(unknown(scopes, table, name))
}

fn unknown(scopes: &[Scope], table: Option<&str>, name: &str) -> SqlError {
    let entries = || scopes.iter().flat_map(|scope| &scope.entries);
    if let Some(table) = table {
        if !scopes.iter().any(|scope| scope.has_table(table)) {
            let suggestion = nearest(table, entries().map(|entry| entry.table.as_str()));
            let alternative = suggestion.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
            return SqlError::refused(
                format!("\"{table}.{name}\""),
                "no such table in FROM here",
                alternative,
            );
        }
        let columns = entries().filter(|entry| entry.table == table).map(|entry| entry.name.as_str());
        let suggestion = nearest(name, columns).map(|near| format!("{table}.{near}"));
        return Problem::UnknownColumn { name: format!("{table}.{name}"), suggestion }.into();
    }
    let suggestion = nearest(name, entries().map(|entry| entry.name.as_str()));
    Problem::UnknownColumn { name: name.to_owned(), suggestion }.into()
}
