//! Which rows are asked about: what a key says, as a condition.

use tributary_chassis::fault::Fault;

use super::trace::Graph;
use crate::sql::{
    self, SqlError,
    relational::{Body, From, SourceId},
};

/// One value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The column; empty for the next one of the relation's key.
    pub(crate) column: String,
    /// As text, in the form that SQL has for the type of the column; `None` is NULL.
    pub(crate) value: Option<String>,
}

/// The condition over the columns of the relation, and how it calls the relation.
pub(super) fn condition(graph: &Graph, key: &[Part]) -> Result<(SourceId, String), Fault> {
    let relation = quoted(graph.name());
    let conditions = conditions(graph, key)?;
    let filter =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    // As a caller would write it, so that values are converted and refused like those of any other statement.
    let text = format!("SELECT 1 FROM {relation}{filter}");
    let compiled = sql::compile(&text, &graph.catalog, &[]).map_err(refused)?;
    let Body::Select(select) = compiled.query.body else {
        return Err(Fault::internal("reading a key", "a SELECT is none"));
    };
    let Some(From::Relation { id, .. }) = select.from else {
        return Err(Fault::internal("reading a key", "a FROM is none"));
    };
    let condition = select
        .filter
        .as_ref()
        .map_or_else(|| "TRUE".to_owned(), |filter| graph.catalog.dialect.condition(filter));
    Ok((id, condition))
}

fn conditions(graph: &Graph, key: &[Part]) -> Result<Vec<String>, Fault> {
    let columns = graph.key();
    let mut named = columns.iter();
    let mut conditions = Vec::new();
    for Part { column, value } in key {
        let column = match column.as_str() {
            "" => named.next().ok_or_else(|| too_many(graph, &columns))?,
            column => column,
        };
        conditions.push(match value {
            Some(value) => format!("{} = '{}'", quoted(column), value.replace('\'', "''")),
            None => format!("{} IS NULL", quoted(column)),
        });
    }
    Ok(conditions)
}

fn too_many(graph: &Graph, columns: &[String]) -> Fault {
    let name = graph.name();
    Fault::field(
        "key",
        match columns {
            [] => format!("no column of {name} identifies its rows: name columns, as column=value"),
            columns => format!("is too long: rows of {name} are identified by {}", columns.join(", ")),
        },
    )
}

/// Places are those of a text that the caller never saw.
fn refused(error: SqlError) -> Fault {
    Fault::field("key", SqlError { position: None, ..error }.to_string())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
