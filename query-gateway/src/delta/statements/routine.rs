//! What PostgreSQL runs for a change, as a function of the session: one call for each version and table, whose statements
//! are planned once, and of which those are left out that have nothing to do.

use super::Version;
use crate::sql::{Dialect, text::quoted};

/// Bytes of rows that are gone, from which on a table of a session is made anew: they are read with those that are there, and
/// PostgreSQL removes them from no such table by itself. To make it anew has what was planned planned again.
const GONE: usize = 512 << 10;

/// A statement of what is run for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Empties a table of the time of a transaction.
    Clear(String),
    /// Whatever came before.
    Always(String),
    /// Without an effect unless the last one that is always run had some. It may be left out then.
    IfChanged(String),
}

impl Step {
    pub(super) fn text(self, dialect: Dialect) -> String {
        match self {
            Step::Clear(table) => empty(dialect, &table),
            Step::Always(text) | Step::IfChanged(text) => text,
        }
    }
}

/// A function of the session, to be created again whenever what it runs is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    /// Creates it, or puts it in the place of the one of its name.
    pub create: String,
    /// Runs it.
    pub call: String,
}

impl Version {
    /// A function that runs steps for a change of `table`.
    pub(super) fn routine(&self, table: &str, steps: &[Step]) -> Routine {
        let (name, mut text) = (self.routine_name(table), String::new());
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            let follows = matches!(steps.peek(), Some(Step::IfChanged(_)));
            text += &match (step, follows) {
                (Step::Clear(table), _) => cleared(table),
                (Step::Always(statement), true) => format!("{statement};\nIF FOUND THEN\n"),
                (Step::IfChanged(statement), false) => format!("{statement};\nEND IF;\n"),
                (Step::Always(statement) | Step::IfChanged(statement), _) => format!("{statement};\n"),
            };
        }
        // A name is a column's if there is one of it.
        let body = body(&format!("#variable_conflict use_column\nBEGIN\n{text}END"));
        Routine {
            create: format!("CREATE OR REPLACE FUNCTION {name}() RETURNS void LANGUAGE plpgsql AS {body}"),
            call: format!("SELECT {name}()"),
        }
    }

    fn routine_name(&self, table: &str) -> String {
        let name = quoted(&self.dialect.name(&format!("_r{}_{table}", self.number)));
        format!("{}.{name}", self.dialect.temporary())
    }

    /// Removes the functions that run for changes of these tables.
    pub(super) fn drop_routines<'t>(&self, tables: impl IntoIterator<Item = &'t String>) -> Vec<String> {
        let drop = |table| format!("DROP FUNCTION IF EXISTS {}()", self.routine_name(table));
        match self.dialect {
            Dialect::Sqlite => Vec::new(),
            Dialect::Postgres => tables.into_iter().map(|table| drop(table)).collect(),
        }
    }
}

/// Empties a table of a session.
pub(super) fn empty(dialect: Dialect, table: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("DELETE FROM {table}"),
        Dialect::Postgres => format!("DO {}", body(&format!("BEGIN {} END", cleared(table)))),
    }
}

/// The same in a function.
fn cleared(table: &str) -> String {
    format!("{} THEN TRUNCATE {table}; ELSE DELETE FROM {table}; END IF;\n", if_gone(table))
}

/// The same as the body of one that says how many rows there were.
pub(super) fn counted(table: &str) -> String {
    let count = format!("SELECT count(*) INTO cleared FROM {table}; TRUNCATE {table};");
    let delete = format!("DELETE FROM {table}; GET DIAGNOSTICS cleared = ROW_COUNT;");
    let text = format!("{} THEN {count} ELSE {delete} END IF;", if_gone(table));
    body(&format!("DECLARE cleared bigint; BEGIN {text} RETURN cleared; END"))
}

fn if_gone(table: &str) -> String {
    format!("IF pg_relation_size('{}') > {GONE}", table.replace('\'', "''"))
}

/// The body of a function, quoted by something that does not occur in it.
pub(super) fn body(text: &str) -> String {
    let mut tag = "$b$".to_owned();
    while text.contains(&tag) {
        tag.insert(1, 'b');
    }
    format!("{tag}{text}{tag}")
}
