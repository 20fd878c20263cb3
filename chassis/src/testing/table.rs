//! The table of a service by itself, in either database: what is written is what is read.

use sqlx::{Connection as _, PgConnection, SqliteConnection, raw_sql};

use crate::{
    database::Database,
    outbox::{BoxError, Row, SqlRows, StateWrite, on_postgres, on_sqlite},
};

/// An empty table in a database of its own.
#[derive(Debug)]
pub enum Table {
    /// In memory.
    Sqlite(SqliteConnection),
    /// In a database that is empty.
    Postgres(PgConnection),
}

impl Table {
    /// In SQLite.
    pub async fn on_sqlite<T: SqlRows>() -> Result<Self, BoxError> {
        let mut connection = SqliteConnection::connect(":memory:").await?;
        for (_, _, text) in T::ON_SQLITE {
            raw_sql(*text).execute(&mut connection).await?;
        }
        Ok(Table::Sqlite(connection))
    }

    /// In PostgreSQL.
    pub async fn on_postgres<T: SqlRows>(database: &Database) -> Result<Self, BoxError> {
        let mut connection = database.connect("").await?;
        for (_, _, text) in T::ON_POSTGRES {
            raw_sql(*text).execute(&mut connection).await?;
        }
        Ok(Table::Postgres(connection))
    }

    /// Writes states as the outbox does.
    pub async fn save<T: SqlRows>(&mut self, writes: &[StateWrite<T::Model>]) -> Result<(), BoxError> {
        match self {
            Table::Sqlite(connection) => on_sqlite::save::<T>(connection, writes).await,
            Table::Postgres(connection) => on_postgres::save::<T>(connection, writes).await,
        }
    }

    /// All of a collection.
    pub async fn scan<T: SqlRows>(&mut self, collection: &str) -> Result<Vec<Row<T::Model>>, BoxError> {
        match self {
            Table::Sqlite(connection) => {
                on_sqlite::scan::<T>(connection, collection, None, usize::MAX >> 1).await
            }
            Table::Postgres(connection) => {
                on_postgres::scan::<T>(connection, collection, None, usize::MAX >> 1).await
            }
        }
    }
}
