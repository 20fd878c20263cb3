//! View files: `CREATE VIEW name AS SELECT ..;`, as many as one likes.

use sqlparser::ast::{CreateTableOptions, CreateView, Spanned, Statement};

use super::{error::SqlError, parse};

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
}

/// Reads a view file. Comments may stand anywhere; any other statement is refused.
pub fn parse_views(file_text: &str) -> Result<Vec<ViewDefinition>, SqlError> {
    stacker::grow(super::STACK, || parse_on_stack(file_text))
}

fn parse_on_stack(file_text: &str) -> Result<Vec<ViewDefinition>, SqlError> {
    let mut views: Vec<ViewDefinition> = Vec::new();
    for statement in parse::statements(file_text)? {
        let span = statement.span();
        let view = match statement {
            Statement::CreateView(view) => definition(view).map_err(|error| error.at(span))?,
            other => {
                let reason = "a view file holds CREATE VIEW statements alone";
                let alternative = "write CREATE VIEW name AS SELECT ..";
                return Err(SqlError::refused(parse::verb(&other), reason, alternative).at(span));
            }
        };
        if views.iter().any(|earlier| earlier.name == view.name) {
            return Err(SqlError::wrong(format!("view \"{}\"", view.name), "it is defined twice").at(span));
        }
        views.push(view);
    }
    Ok(views)
}

fn definition(view: CreateView) -> Result<ViewDefinition, SqlError> {
    let refused =
        |clause: &str, alternative: &str| Err(SqlError::refused(clause, "it is not supported", alternative));
    if view.or_replace || view.or_alter {
        return refused("OR REPLACE", "write CREATE VIEW: a changed file replaces the view");
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
    let name = super::resolve::single_name(&view.name)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(plain) || name.starts_with("sqlite_") {
        return Err(SqlError::wrong(format!("view \"{name}\""), "its name must be of a-z, 0-9 and _"));
    }
    Ok(ViewDefinition {
        name,
        columns: view.columns.iter().map(|column| super::resolve::fold(&column.name)).collect(),
        select_sql: view.query.to_string(),
        materialized: view.materialized,
    })
}
