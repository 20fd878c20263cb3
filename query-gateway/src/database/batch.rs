//! Statements that are run one after another, again and again.

use std::sync::Arc;

use super::{connection::Connection, error::Error};
use crate::sql::Dialect;

/// Statements without parameters. They stay prepared.
#[derive(Clone, Debug, Default)]
pub struct Batch(Vec<Arc<str>>);

impl Batch {
    /// Of texts whose names come from a catalog or a plan. SQLite takes them as one text: each call costs a turn of a thread.
    /// PostgreSQL prepares one statement at a time.
    pub fn new(dialect: Dialect, statements: Vec<String>) -> Self {
        match dialect {
            Dialect::Sqlite if statements.is_empty() => Self::default(),
            Dialect::Sqlite => Self(vec![statements.join(";\n").into()]),
            Dialect::Postgres => Self(statements.into_iter().map(Arc::from).collect()),
        }
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Connection {
    /// Runs all of a batch.
    pub async fn run(&mut self, batch: &Batch) -> Result<(), Error> {
        for statement in &batch.0 {
            self.composed(statement.clone()).execute().await?;
        }
        Ok(())
    }
}
