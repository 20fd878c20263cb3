//! What holds of the handle, on both databases.

use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};
use tempfile::TempDir;

use super::*;

mod copies;
mod statements;
mod transactions;
mod values;

/// A database that is empty.
struct Place {
    kind: Kind,
    _folder: Option<TempDir>,
}

enum Kind {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("test.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .disable_statement_logging();
        Self { kind: Kind::Sqlite(options), _folder: Some(folder) }
    }

    async fn postgres(test: &str) -> Option<Self> {
        let url = test_prerequisites::postgres::database(test).await?;
        let options: PgConnectOptions = url.parse().unwrap();
        Some(Self { kind: Kind::Postgres(options.disable_statement_logging()), _folder: None })
    }

    async fn connect(&self) -> Connection {
        match &self.kind {
            Kind::Sqlite(options) => Connection::sqlite(options.connect().await.unwrap()),
            Kind::Postgres(options) => Connection::postgres(options.connect().await.unwrap()),
        }
    }

    /// Of one connection.
    fn pool(&self) -> Pool {
        match &self.kind {
            Kind::Sqlite(options) => {
                Pool::Sqlite(SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options.clone()))
            }
            Kind::Postgres(options) => {
                Pool::Postgres(PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone()))
            }
        }
    }
}

/// Both databases, as far as they are there.
async fn both(test: &str) -> Vec<Place> {
    [Some(Place::sqlite()), Place::postgres(test).await].into_iter().flatten().collect()
}

/// A table of numbers and texts.
const NUMBERS: &str = "CREATE TABLE numbers (n BIGINT PRIMARY KEY, name TEXT)";

async fn count(connection: &mut Connection) -> i64 {
    connection.query("SELECT count(*) FROM numbers").one().await.unwrap()
}
