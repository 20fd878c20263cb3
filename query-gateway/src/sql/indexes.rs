//! `CREATE INDEX [name] ON relation (column [DESC], ..)`, in view files.

use std::fmt;

use sqlparser::ast::{CreateIndex, Expr, IndexColumn as Syntax, IndexType, OrderBySort};

use super::{error::SqlError, resolve, views::plain_name};

/// PostgreSQL's limit of the length of a name.
const MAX_NAME: usize = 63;

/// An index as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDefinition {
    /// As given, or made of the relation and the columns as PostgreSQL does.
    pub name: String,
    /// The table or view that it is on.
    pub relation: String,
    /// In their order.
    pub columns: Vec<IndexColumn>,
}

/// A column of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexColumn {
    /// Of the relation.
    pub name: String,
    /// Largest first.
    pub descending: bool,
}

/// The statement that defines it.
impl fmt::Display for IndexDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        write!(f, "CREATE INDEX {} ON {} ({})", self.name, self.relation, columns.join(", "))
    }
}

impl fmt::Display for IndexColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.replace('"', "\"\"");
        write!(f, "\"{name}\"{}", if self.descending { " DESC" } else { "" })
    }
}

pub(super) fn definition(index: CreateIndex) -> Result<IndexDefinition, SqlError> {
    supported(&index)?;
    let relation = resolve::single_name(&index.table_name)?;
    let columns = index.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    for (at, column) in columns.iter().enumerate() {
        if columns[..at].iter().any(|other| other.name == column.name) {
            let reason = format!("column \"{}\" is named twice", column.name);
            return Err(SqlError::wrong("CREATE INDEX", reason));
        }
    }
    let name = match &index.name {
        Some(name) => resolve::single_name(name)?,
        None => made_name(&relation, &columns),
    };
    Ok(IndexDefinition { name: plain_name("index", name)?, relation, columns })
}

fn supported(index: &CreateIndex) -> Result<(), SqlError> {
    let refused = |clause: &str, reason: &str, alternative: &str| {
        Err(SqlError::refused(format!("CREATE INDEX .. {clause}"), reason, alternative))
    };
    if index.unique || index.nulls_distinct.is_some() {
        return refused(
            "UNIQUE",
            "what is unique is decided by the services that own the data, and an index refuses nothing",
            "write CREATE INDEX",
        );
    }
    if index.if_not_exists {
        return refused(
            "IF NOT EXISTS",
            "it is not supported",
            "leave it out: what did not change does nothing",
        );
    }
    if index.concurrently || index.r#async {
        return refused("CONCURRENTLY", "it is not supported", "leave it out");
    }
    if index.predicate.is_some() {
        let alternative = "leave it out, or index a materialized view that has only those rows";
        return refused("WHERE", "an index of some of the rows is not supported", alternative);
    }
    if !index.include.is_empty() {
        return refused("INCLUDE", "it is not supported", "name the columns last in the parentheses");
    }
    if !matches!(index.using, None | Some(IndexType::BTree)) {
        return refused("USING", "every index is a B-tree", "leave it out");
    }
    if !index.with.is_empty() || !index.index_options.is_empty() || !index.alter_options.is_empty() {
        return refused("options", "they are not supported", "leave them out");
    }
    Ok(())
}

fn column(syntax: &Syntax) -> Result<IndexColumn, SqlError> {
    let clause = format!("CREATE INDEX .. ({syntax})");
    let Expr::Identifier(name) = &syntax.column.expr else {
        let alternative = "give the expression a name in a materialized view, and index that";
        return Err(SqlError::refused(clause, "an expression cannot be indexed", alternative));
    };
    let descending = match &syntax.column.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(_) => return Err(SqlError::refused(clause, "USING is not supported", "write ASC or DESC")),
    };
    if syntax.operator_class.is_some() {
        return Err(SqlError::refused(clause, "operator classes are not supported", "leave it out"));
    }
    if syntax.column.options.nulls_first.is_some() {
        let reason = "where NULLs stand in an index is not supported";
        return Err(SqlError::refused(clause, reason, "leave it out: queries may still ask for either"));
    }
    Ok(IndexColumn { name: resolve::fold(name), descending })
}

/// `relation_column_.._idx`, with what is too long cut off in the middle.
fn made_name(relation: &str, columns: &[IndexColumn]) -> String {
    let parts = std::iter::once(relation).chain(columns.iter().map(|column| column.name.as_str()));
    let mut name = parts.collect::<Vec<_>>().join("_");
    name.truncate(name.floor_char_boundary(MAX_NAME - "_idx".len()));
    name + "_idx"
}
