//! Transactions. What is not committed is rolled back, whatever becomes of the future that began it.

use std::ops::{Deref, DerefMut};

use futures::FutureExt as _;

use super::{
    connection::{Connection, State},
    error::Error,
};
use crate::sql::Dialect;

/// A transaction that is open. It is used as the connection that it is on.
#[derive(Debug)]
pub struct Transaction<'c>(&'c mut Connection);

impl Connection {
    /// Begins a transaction that writes. On SQLite it has the lock from the start: one that takes it later can be refused.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        let text = match self.dialect() {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        self.begin_by(text).await
    }

    /// Begins a transaction whose reads are all of one state. That is taken by the first of them.
    pub async fn snapshot(&mut self) -> Result<Transaction<'_>, Error> {
        let text = match self.dialect() {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.begin_by(text).await
    }

    /// The same of the gateway's store: as long as it is open, PostgreSQL has the relations that it has now, which SQLite
    /// does by itself.
    pub async fn snapshot_of_layout(&mut self) -> Result<Transaction<'_>, Error> {
        let text = match self.dialect() {
            Dialect::Sqlite => "BEGIN",
            // Behind what is taken first, so that the snapshot is none from before.
            Dialect::Postgres => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE _layout IN ACCESS SHARE MODE"
            }
        };
        self.begin_by(text).await
    }

    async fn begin_by(&mut self, text: &'static str) -> Result<Transaction<'_>, Error> {
        self.settle().await?;
        // Before it is sent: if this future is dropped meanwhile, it may come to be open all the same.
        self.state = State::Open;
        let begun = Transaction(self);
        begun.0.control(text).await?;
        Ok(begun)
    }
}

impl Transaction<'_> {
    /// Makes it last. If this fails or is dropped, it is not known whether it does.
    pub async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    /// Undoes it.
    pub async fn rollback(self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    async fn end(self, text: &'static str) -> Result<(), Error> {
        self.0.control(text).await?;
        self.0.state = State::Idle;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    /// Others may wait for what it holds: the word to roll back is sent at once, if that goes without waiting. Whether it has
    /// arrived is seen to by whoever uses the connection next.
    fn drop(&mut self) {
        if self.0.state == State::Open {
            drop(self.0.control("ROLLBACK").now_or_never());
            self.0.state = State::Abandoned;
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.0
    }
}
