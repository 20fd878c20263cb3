//! Syntax tree to relational form: names are resolved, expressions typed, and what is not understood is refused.

mod aggregate;
mod call;
mod cast;
mod expression;
mod from;
mod grouping;
mod literal;
mod operator;
mod order;
mod predicate;
mod query;
mod select;
mod window;

use std::collections::BTreeSet;

use sqlparser::ast::{self, Ident, ObjectName, ObjectNamePart};

use super::{
    Parameter,
    error::SqlError,
    relational::{Field, Query, SourceId},
    scope::Scope,
};
use crate::catalog::Catalog;

/// Expressions and queries within one another; each level costs stack.
const MAX_DEPTH: usize = 120;

/// What is known while a statement is resolved.
pub(super) struct Resolver<'a> {
    catalog: &'a Catalog,
    parameters: &'a [Parameter],
    /// Places in `parameters`, in the order of first use.
    used_parameters: Vec<usize>,
    relations: BTreeSet<String>,
    next_source: usize,
    /// Visible `WITH` queries, innermost last.
    ctes: Vec<VisibleCte>,
    next_cte: usize,
    /// Columns of the queries around, and last of the one at hand.
    scopes: Vec<Scope>,
    place: Place,
    depth: usize,
}

/// A `WITH` query that can be named.
struct VisibleCte {
    name: String,
    label: String,
    fields: Vec<Field>,
    /// Set when a FROM names it.
    referenced: bool,
}

/// The clause at hand, and what may stand in it.
#[derive(Clone, Copy, Debug)]
struct Place {
    clause: &'static str,
    aggregates: bool,
    windows: bool,
}

impl Place {
    const fn plain(clause: &'static str) -> Self {
        Self { clause, aggregates: false, windows: false }
    }
}

/// A resolved statement, and what it needs.
pub(super) struct Resolved {
    pub(super) query: Query,
    /// Names, in the order of their numbers.
    pub(super) parameters: Vec<Parameter>,
    pub(super) relations: BTreeSet<String>,
}

/// Resolves a whole statement.
pub(super) fn resolve(
    query: &ast::Query,
    catalog: &Catalog,
    parameters: &[Parameter],
) -> Result<Resolved, SqlError> {
    let mut resolver = Resolver {
        catalog,
        parameters,
        used_parameters: Vec::new(),
        relations: BTreeSet::new(),
        next_source: 1,
        ctes: Vec::new(),
        next_cte: 1,
        scopes: Vec::new(),
        place: Place::plain("SELECT"),
        depth: 0,
    };
    let query = resolver.query(query)?;
    let used = resolver.used_parameters.iter().map(|at| parameters[*at].clone());
    Ok(Resolved { query, parameters: used.collect(), relations: resolver.relations })
}

impl Resolver<'_> {
    fn new_source(&mut self) -> SourceId {
        self.next_source += 1;
        SourceId(self.next_source - 1)
    }

    /// Runs `act` with another clause at hand.
    fn within<T>(
        &mut self,
        place: Place,
        act: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let around = std::mem::replace(&mut self.place, place);
        let result = act(self);
        self.place = around;
        result
    }

    /// Runs `act` one level deeper.
    fn deeper<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        if self.depth == MAX_DEPTH {
            let reason = format!("it is nested more than {MAX_DEPTH} levels deep");
            return Err(SqlError::refused(
                "statement",
                reason,
                "use sub-queries in WITH, or IN (..) for long lists",
            ));
        }
        self.depth += 1;
        let result = act(self);
        self.depth -= 1;
        result
    }
}

/// A name as PostgreSQL reads it: lower case unless quoted.
pub(super) fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// A name without a schema.
pub(super) fn single_name(name: &ObjectName) -> Result<String, SqlError> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(fold(ident)),
        _ => Err(SqlError::refused(format!("name {name}"), "there are no schemas", "write the name alone")),
    }
}
