//! A connection to either database.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use sqlx::{
    AssertSqlSafe, Database, PgConnection, Postgres, SqlSafeStr as _, Sqlite, SqliteConnection,
    pool::PoolConnection,
};

use super::{error::Error, query::Query, sqlite};
use crate::sql::Dialect;

/// A connection to either database.
#[derive(Debug)]
pub struct Connection {
    pub(super) link: Link,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum Link {
    Sqlite(Held<Sqlite>),
    Postgres(Held<Postgres>),
}

/// Whether a transaction is open: `Idle => Open` before one is begun, `Open => (Idle | Abandoned)` as it ends or is dropped,
/// `Abandoned => Idle` before anything else is done. `(Idle | Open) => Broken` before rows are copied, and back when they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Open,
    /// One may be open that nobody owns.
    Abandoned,
    /// The server may wait for rows that nobody will send. There is no word that certainly ends that but the end of the session.
    Broken,
}

/// A connection of its own, or one of a pool.
pub(super) enum Held<DB: Database> {
    Own(Box<DB::Connection>),
    Pooled(PoolConnection<DB>),
}

impl Connection {
    pub(super) fn new(link: Link) -> Self {
        Self { link, state: State::Idle }
    }

    /// One of SQLite, which is no pool's.
    pub fn sqlite(connection: SqliteConnection) -> Self {
        Self::new(Link::Sqlite(Held::Own(Box::new(connection))))
    }

    /// One of PostgreSQL, which is no pool's.
    pub fn postgres(connection: PgConnection) -> Self {
        Self::new(Link::Postgres(Held::Own(Box::new(connection))))
    }

    /// For tests that look into SQLite.
    #[cfg(test)]
    pub(crate) fn as_sqlite(&mut self) -> &mut SqliteConnection {
        match &mut self.link {
            Link::Sqlite(link) => link,
            Link::Postgres(_) => panic!("this is PostgreSQL"),
        }
    }

    /// What its statements are written in.
    pub fn dialect(&self) -> Dialect {
        match self.link {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A statement. It stays prepared, for values of the types that it is given at first.
    pub fn query(&mut self, text: &'static str) -> Query<'_> {
        Query::new(self, text.into_sql_str())
    }

    /// A statement that was put together. Its names come from a schema, a catalog or a plan, which admit plain ones only,
    /// and never from a caller; values are bound.
    pub fn composed(&mut self, text: impl Into<Arc<str>>) -> Query<'_> {
        Query::new(self, AssertSqlSafe(text.into()).into_sql_str())
    }

    /// Runs statements without parameters, in one call and this once.
    pub async fn script(&mut self, text: impl Into<Arc<str>>) -> Result<(), Error> {
        self.settle().await?;
        self.send(AssertSqlSafe(text.into())).await
    }

    /// Rolls back what nobody owns any more.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        match self.state {
            State::Idle | State::Open => return Ok(()),
            State::Broken => return Err(Error::lost("the session was left while it copied rows")),
            State::Abandoned => {}
        }
        let is_open = match &mut self.link {
            Link::Sqlite(link) => sqlite::in_transaction(link).await?,
            // What is sent in vain is answered with a warning.
            Link::Postgres(_) => true,
        };
        if is_open {
            self.control("ROLLBACK").await?;
        }
        self.state = State::Idle;
        Ok(())
    }

    /// Begins or ends a transaction. SQLite keeps it prepared, PostgreSQL has nothing to prepare.
    pub(super) async fn control(&mut self, text: &'static str) -> Result<(), Error> {
        match &mut self.link {
            Link::Sqlite(link) => sqlx::query(text).execute(&mut **link).await.map(drop)?,
            Link::Postgres(_) => self.send(text).await?,
        }
        Ok(())
    }

    async fn send(&mut self, text: impl sqlx::SqlSafeStr) -> Result<(), Error> {
        let script = sqlx::raw_sql(text);
        match &mut self.link {
            Link::Sqlite(link) => script.execute(&mut **link).await.map(drop)?,
            Link::Postgres(link) => script.execute(&mut **link).await.map(drop)?,
        }
        Ok(())
    }
}

impl Drop for Connection {
    /// Nobody is to find a transaction open in a connection of the pool.
    fn drop(&mut self) {
        if self.state == State::Idle {
            return;
        }
        match &mut self.link {
            Link::Sqlite(Held::Pooled(connection)) => connection.close_on_drop(),
            Link::Postgres(Held::Pooled(connection)) => connection.close_on_drop(),
            Link::Sqlite(Held::Own(_)) | Link::Postgres(Held::Own(_)) => {}
        }
    }
}

impl<DB: Database> Deref for Held<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match self {
            Held::Own(connection) => connection,
            Held::Pooled(connection) => connection,
        }
    }
}

impl<DB: Database> DerefMut for Held<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match self {
            Held::Own(connection) => connection,
            Held::Pooled(connection) => connection,
        }
    }
}

impl<DB: Database> std::fmt::Debug for Held<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Held::Own(_) => "Own",
            Held::Pooled(_) => "Pooled",
        })
    }
}
