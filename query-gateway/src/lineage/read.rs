//! Asks the store, and reads what it says.

use super::{
    statement::{CHANGE, ENTITY, Entity, ROWS, Statement, TABLE},
    trace::{Graph, Trace},
};
use crate::{
    catalog::Column,
    database::{Connection, Error, Row},
    query::cell::{Cell, CellError},
};

/// The changes that made some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Explained {
    /// How many rows were asked about.
    pub(crate) rows: u64,
    /// How many changes there are.
    pub(crate) total: u64,
    /// The newest of them, as many as were wanted.
    pub(crate) changes: Vec<Change>,
    /// How many rows of each base table they wrote.
    pub(crate) tables: Vec<(String, u64)>,
}

/// A change, as far as the rows that it wrote tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// As given by `--source`.
    pub(crate) source: String,
    pub(crate) sequence: u64,
    /// Its trace context; empty if it had none, or that is not known.
    pub(crate) trace: String,
    pub(crate) entity: String,
    pub(crate) key: Vec<Cell>,
    /// Empty if it is not known: a snapshot does not tell it.
    pub(crate) event: String,
    /// In microseconds.
    pub(crate) commit_time: Option<i64>,
    /// How many of the rows that it wrote have a part in it, by table.
    pub(crate) rows: Vec<(String, u64)>,
}

/// What is asked, for tests that look at how the store goes about it.
#[cfg(test)]
pub(crate) fn text(graph: &Graph, trace: &Trace) -> String {
    Statement::new(graph, trace).text
}

/// Asks on a connection with a transaction open.
pub(crate) async fn read(
    snapshot: &mut Connection,
    graph: &Graph,
    trace: &Trace,
    limit: u32,
) -> Result<Result<Explained, CellError>, Error> {
    let statement = Statement::new(graph, trace);
    let query = snapshot.composed(statement.text.as_str()).keep(false).bind(i64::from(limit));
    let rows: Vec<Row> = query.all().await?;
    Ok(statement.explained(&rows))
}

impl Statement {
    fn explained(&self, rows: &[Row]) -> Result<Explained, CellError> {
        let mut explained = Explained::default();
        for row in rows {
            let number = |at: usize| row.get::<i64>(at);
            let (kind, at, count) = (number(0)?, number(1)?, number(2)?.cast_unsigned());
            let at = usize::try_from(at).unwrap_or_default();
            match kind {
                ROWS => explained.rows = count,
                TABLE => explained.tables.push((self.tables[at].clone(), count)),
                ENTITY => explained.total += count,
                CHANGE => explained.changes.push(self.entities[at].change(row)?),
                _ => {}
            }
        }
        Ok(explained)
    }
}

impl Entity {
    fn change(&self, row: &Row) -> Result<Change, CellError> {
        let key = (self.first_value..).zip(&self.key);
        let key = key.map(|(at, column): (usize, &Column)| Cell::read(row, at, column));
        let key = key.collect::<Result<_, _>>()?;
        let counts = (self.first_value + self.key.len()..).zip(&self.tables);
        let counts = counts.map(|(at, (table, _))| Ok((table.clone(), row.get::<i64>(at)?)));
        let counts = counts.collect::<Result<Vec<_>, Error>>()?;
        let wrote = counts.into_iter().filter(|(_, count)| *count > 0);
        Ok(Change {
            source: self.source.clone(),
            sequence: row.get::<i64>(2)?.cast_unsigned(),
            trace: row.get(3)?,
            entity: self.name.clone(),
            key,
            event: row.get(4)?,
            commit_time: row.get(5)?,
            rows: wrote.map(|(table, count)| (table, count.cast_unsigned())).collect(),
        })
    }
}
