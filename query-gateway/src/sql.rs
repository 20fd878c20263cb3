//! SQL of users to SQL of the store. Pure: knows the catalog and no store handle.
//!
//! Text goes through stages, each in its own file and testable alone:
//! 1. `parse`: text to syntax tree, bounded.
//! 2. `resolve`: syntax tree to `relational` form. Names mean what `scope` says, `types` convert as in PostgreSQL,
//!    and only what `functions` and `aggregates` list is let through.
//! 3. `text`: relational form to the text of SQLite or PostgreSQL.
//!
//! What is not understood is refused, with clause, reason and alternative; nothing is passed on unread.
//!
//! Where an answer is not PostgreSQL's, and known not to be:
//! - integer, date and timestamp without time zone are no types of results: what is one of them there is bigint, refused,
//!   and timestamptz here. Arithmetic of integers overflows as bigint; SUM of an integer column of a view is numeric.
//! - SUM and AVG of bigint fail where the sum leaves 64 bits; numeric has no NaN; years are 1 to 9999; the time zone is UTC.
//! - PostgreSQL computes constants before there are rows: `1 / 0` over no rows fails there, and not here.

pub mod aggregates;
mod error;
pub mod functions;
mod indexes;
mod parse;
pub mod relational;
mod resolve;
mod scope;
pub mod text;
pub mod types;
mod views;
pub mod walk;

use std::collections::BTreeSet;

pub(crate) use error::nearest;
pub use error::{Position, Problem, SqlError};
pub use indexes::{IndexColumn, IndexDefinition};
pub use text::Dialect;
pub use views::{ViewDefinition, ViewFile, parse_views};

use crate::catalog::{Catalog, Column, Type};

/// A named value that comes with each execution, written `:name`; it may be NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Without the colon.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A statement that is ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// The columns of the result; names may occur twice.
    pub columns: Vec<Column>,
    /// The parameters that are used, in the order in which they are bound.
    pub parameters: Vec<Parameter>,
    /// For the store of the catalog.
    pub text: String,
    /// Tables and views that are read.
    pub relations: BTreeSet<String>,
    /// What the text was written from.
    pub query: relational::Query,
}

impl Compiled {
    /// Of the columns, within a statement.
    pub fn types(&self) -> Vec<types::Ty> {
        self.query.fields.iter().map(|field| field.ty).collect()
    }
}

/// Syntax trees are as deep as the longest chain of operators, which [`parse`] bounds; walking one takes kilobytes a level.
const STACK: usize = 64 << 20;

/// Compiles exactly one SELECT.
pub fn compile(sql: &str, catalog: &Catalog, parameters: &[Parameter]) -> Result<Compiled, SqlError> {
    stacker::grow(STACK, || compile_on_stack(sql, catalog, parameters))
}

fn compile_on_stack(sql: &str, catalog: &Catalog, parameters: &[Parameter]) -> Result<Compiled, SqlError> {
    let syntax = parse::query(sql)?;
    let resolved = resolve::resolve(&syntax, catalog, parameters)?;
    let columns = resolved.query.fields.iter().map(output).collect::<Result<_, _>>()?;
    let text = catalog.dialect.query(&resolved.query);
    let (parameters, relations) = (resolved.parameters, resolved.relations);
    Ok(Compiled { columns, parameters, text, relations, query: resolved.query })
}

fn output(field: &relational::Field) -> Result<Column, SqlError> {
    let ty = field.ty.output().ok_or_else(|| {
        let clause = format!("column \"{}\"", field.name);
        SqlError::refused(
            clause,
            "a result cannot be of type date",
            "use date_trunc('day', ..) or cast it to text",
        )
    })?;
    Ok(Column { name: field.name.clone(), ty, nullable: field.nullable })
}

/// Compiles the query of a view: names of its columns must be different and there are no parameters.
pub fn compile_view(view: &ViewDefinition, catalog: &Catalog) -> Result<Compiled, SqlError> {
    let mut compiled = compile(&view.select_sql, catalog, &[])?;
    let clause = format!("view \"{}\"", view.name);
    if view.columns.len() > compiled.columns.len() {
        return Err(SqlError::wrong(clause, "it names more columns than its query has"));
    }
    let fields = compiled.query.fields.iter_mut().zip(&mut compiled.columns);
    for ((field, column), name) in fields.zip(&view.columns) {
        field.name.clone_from(name);
        column.name.clone_from(name);
    }
    let mut names = BTreeSet::new();
    for column in &compiled.columns {
        // SQLite does not tell capitals apart.
        if !names.insert(column.name.to_ascii_lowercase()) {
            let reason = format!("more than one column is called \"{}\"", column.name);
            return Err(SqlError::refused(clause, reason, "give them different names with AS"));
        }
        if column.name == "?column?" {
            return Err(SqlError::refused(clause, "a column has no name", "give it one with AS"));
        }
    }
    Ok(compiled)
}

#[cfg(test)]
mod tests;
