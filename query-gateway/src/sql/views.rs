//! View files: `CREATE VIEW name AS SELECT ..;` and `CREATE INDEX ON name (..);`, as many as one likes.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{CreateTableOptions, CreateView, Spanned, Statement, visit_relations};

use super::{
    error::SqlError,
    indexes::{self, IndexDefinition},
    parse,
};

/// What a view file defines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewFile {
    /// In their order.
    pub views: Vec<ViewDefinition>,
    /// In their order.
    pub indexes: Vec<IndexDefinition>,
}

/// A view as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDefinition {
    /// In lower case unless quoted.
    pub name: String,
    /// Names given in parentheses after it; empty if there are none.
    pub columns: Vec<String>,
    /// The query, as the parser prints it.
    pub select_sql: String,
    /// `CREATE MATERIALIZED VIEW`.
    pub materialized: bool,
    /// Tables and views that the query names, in lower case unless quoted; those of its `WITH` too.
    pub names: BTreeSet<String>,
}

impl ViewDefinition {
    /// The statement that defines it.
    pub fn create(&self) -> String {
        let materialized = if self.materialized { "MATERIALIZED " } else { "" };
        let columns: Vec<String> =
            self.columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        format!("CREATE {materialized}VIEW {}{columns} AS {}", self.name, self.select_sql)
    }
}

/// Reads a view file. Comments may stand anywhere; any other statement is refused.
pub fn parse_views(file_text: &str) -> Result<ViewFile, SqlError> {
    stacker::grow(super::STACK, || parse_on_stack(file_text))
}

fn parse_on_stack(file_text: &str) -> Result<ViewFile, SqlError> {
    let mut file = ViewFile::default();
    let mut names = BTreeSet::new();
    for statement in parse::statements(file_text)? {
        let span = statement.span();
        let (kind, name) = match statement {
            Statement::CreateView(view) => {
                file.views.push(definition(view).map_err(|error| error.at(span))?);
                ("view", file.views.last().map(|view| view.name.clone()))
            }
            Statement::CreateIndex(index) => {
                file.indexes.push(indexes::definition(index).map_err(|error| error.at(span))?);
                ("index", file.indexes.last().map(|index| index.name.clone()))
            }
            other => {
                let reason = "a view file holds CREATE VIEW and CREATE INDEX statements alone";
                let alternative = "write CREATE VIEW name AS SELECT ..";
                return Err(SqlError::refused(parse::verb(&other), reason, alternative).at(span));
            }
        };
        let name = name.unwrap_or_default();
        if !names.insert(name.clone()) {
            return Err(SqlError::wrong(format!("{kind} \"{name}\""), "it is defined twice").at(span));
        }
    }
    Ok(file)
}

fn definition(view: CreateView) -> Result<ViewDefinition, SqlError> {
    let refused =
        |clause: &str, alternative: &str| Err(SqlError::refused(clause, "it is not supported", alternative));
    if view.or_replace || view.or_alter {
        return refused(
            "OR REPLACE",
            "write CREATE VIEW: a changed file replaces its views, and CreateView does if asked to",
        );
    }
    if view.if_not_exists {
        return refused("IF NOT EXISTS", "write CREATE VIEW: a file that did not change does nothing");
    }
    if view.temporary {
        return refused("TEMPORARY", "write the query into WITH where it is needed");
    }
    if !matches!(view.options, CreateTableOptions::None)
        || view.with_no_schema_binding
        || view.to.is_some()
        || view.params.is_some()
        || !view.cluster_by.is_empty()
        || view.secure
        || view.copy_grants
        || view.comment.is_some()
    {
        return refused("options of CREATE VIEW", "leave them out");
    }
    if view.columns.iter().any(|column| column.data_type.is_some() || column.options.is_some()) {
        return refused("types of view columns", "cast in the SELECT list");
    }
    let name = plain_name("view", super::resolve::single_name(&view.name)?)?;
    let mut names = BTreeSet::new();
    let _ = visit_relations(&view.query, |relation| {
        names.extend(super::resolve::single_name(relation));
        ControlFlow::<()>::Continue(())
    });
    Ok(ViewDefinition {
        name,
        columns: view.columns.iter().map(|column| super::resolve::fold(&column.name)).collect(),
        select_sql: view.query.to_string(),
        materialized: view.materialized,
        names,
    })
}

/// A name that needs no quotes.
pub(super) fn plain_name(kind: &str, name: String) -> Result<String, SqlError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(plain) || name.starts_with("sqlite_") {
        return Err(SqlError::wrong(format!("{kind} \"{name}\""), "its name must be of a-z, 0-9 and _"));
    }
    Ok(name)
}
