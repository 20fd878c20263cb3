//! Connections that are shared.

use sqlx::{PgPool, SqlitePool};

use super::{
    connection::{Connection, Held, Link},
    error::Error,
};

/// Connections to either database, each used by one at a time.
#[derive(Clone, Debug)]
pub enum Pool {
    /// To SQLite.
    Sqlite(SqlitePool),
    /// To PostgreSQL.
    Postgres(PgPool),
}

impl Pool {
    /// Takes one, and waits for it if need be.
    pub async fn acquire(&self) -> Result<Connection, Error> {
        Ok(Connection::new(match self {
            Pool::Sqlite(pool) => Link::Sqlite(Held::Pooled(pool.acquire().await?)),
            Pool::Postgres(pool) => Link::Postgres(Held::Pooled(pool.acquire().await?)),
        }))
    }
}
