//! Where the ledger lies: beside the store of the payments, as if another company had it.
//!
//! SQLite: `processor.db` in the data directory, with its `-wal` and `-shm`; one connection, `BEGIN IMMEDIATE` to `COMMIT`.
//! The journal is a WAL with `synchronous=FULL`, so that what was answered survives a loss of power. A process that died
//! may leave what was never synced: a start moves it into the database, synced, before anything is answered.
//!
//! PostgreSQL: the schema `processor` of the database that has the payments, so that all replicas ask the same processor.
//! Attempts at one payment take its lock first; `synchronous_commit=on`.

use std::{fs::File, io, path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tributary_chassis::{
    database,
    outbox::{BoxError, SqlRow},
};

use super::LedgerError;

const FILE: &str = "processor.db";

/// Nobody else writes; a reader from outside may hold up the checkpoint of a start.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Attempts of one process at a time.
const CONNECTIONS: u32 = 4;
const ACQUIRE: Duration = Duration::from_secs(5);

const ON_SQLITE: &str = "
    CREATE TABLE IF NOT EXISTS operations (
        idempotency_key TEXT    NOT NULL PRIMARY KEY,
        payment_id      TEXT    NOT NULL,
        operation       TEXT    NOT NULL,
        currency_code   TEXT,             -- of an authorization
        minor_units     INTEGER,          -- of an authorization
        token           TEXT,             -- of an authorization
        attempts        INTEGER NOT NULL, -- how often it was asked
        answer          TEXT,             -- 'approved', or why it was declined
        UNIQUE (payment_id, operation)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS movements (
        payment_id      TEXT    NOT NULL,
        operation       TEXT    NOT NULL,
        currency_code   TEXT    NOT NULL, -- as authorized
        minor_units     INTEGER NOT NULL, -- as authorized
        PRIMARY KEY (payment_id, operation)
    ) STRICT";

/// The same. The lock is any number that nobody else takes: of those who come at once, one creates it.
const ON_POSTGRES: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7381240946718264);
    CREATE SCHEMA IF NOT EXISTS processor;
    CREATE TABLE IF NOT EXISTS processor.operations (
        idempotency_key TEXT    PRIMARY KEY,
        payment_id      TEXT    NOT NULL,
        operation       TEXT    NOT NULL,
        currency_code   TEXT,             -- of an authorization
        minor_units     BIGINT,           -- of an authorization
        token           TEXT,             -- of an authorization
        attempts        BIGINT  NOT NULL, -- how often it was asked
        answer          TEXT,             -- 'approved', or why it was declined
        UNIQUE (payment_id, operation)
    );
    CREATE TABLE IF NOT EXISTS processor.movements (
        payment_id      TEXT    NOT NULL,
        operation       TEXT    NOT NULL,
        currency_code   TEXT    NOT NULL, -- as authorized
        minor_units     BIGINT  NOT NULL, -- as authorized
        PRIMARY KEY (payment_id, operation)
    );
    COMMIT";

/// A process that stands still holds no payment for long.
const SESSION: &str = "SET search_path = processor; SET synchronous_commit = on; SET lock_timeout = '4s';
                       SET client_min_messages = warning; SET idle_in_transaction_session_timeout = '5s'";

const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

/// Where the ledger is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// In a file in this directory.
    Directory(&'a Path),
    /// In this database.
    Database(&'a database::Database),
}

#[derive(Clone, Debug)]
pub(super) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Database {
    /// With its tables, and nothing in them that is not durable.
    pub(super) async fn open(place: Place<'_>) -> Result<Self, LedgerError> {
        match place {
            Place::Directory(directory) => open_sqlite(directory).await.map(Database::Sqlite),
            Place::Database(database) => open_postgres(database).await.map(Database::Postgres),
        }
        .map_err(LedgerError::Open)
    }

    /// Begins an attempt at a payment; another at the same waits until it ends.
    pub(super) async fn begin(&self, payment_id: &str) -> Result<Attempting, BoxError> {
        Ok(match self {
            Database::Sqlite(pool) => Attempting::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Database::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                sqlx::query(LOCK).bind(payment_id).execute(&mut *transaction).await?;
                Attempting::Postgres(transaction)
            }
        })
    }
}

async fn open_sqlite(directory: &Path) -> Result<SqlitePool, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename(directory.join(FILE))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    pool.execute(sqlx::raw_sql(ON_SQLITE)).await?;
    let checkpoint = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)");
    let is_busy: i64 = checkpoint.fetch_one(&pool).await?;
    if is_busy != 0 {
        return Err("somebody reads it: its WAL cannot be moved into it".into());
    }
    sync_directory(directory)?;
    Ok(pool)
}

async fn open_postgres(database: &database::Database) -> Result<PgPool, BoxError> {
    let mut creating = database.connect("SET client_min_messages = warning").await?;
    sqlx::raw_sql(ON_POSTGRES).execute(&mut creating).await?;
    creating.close().await?;
    let options = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
    let pool = options
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(drop) }));
    Ok(pool.connect_lazy_with(database.options().clone()))
}

/// A new file is there after a loss of power only once its directory was synced.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// An attempt's transaction. Dropped, it is rolled back.
pub(super) enum Attempting {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A value in a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
}

impl<'a> From<&'a str> for Bound<'a> {
    fn from(text: &'a str) -> Self {
        Bound::Text(Some(text))
    }
}

impl Attempting {
    /// Runs a statement, and reads its rows.
    pub(super) async fn run<R>(
        &mut self,
        statement: &'static str,
        values: &[Bound<'_>],
        read: impl Fn(SqlRow<'_>) -> Result<R, BoxError>,
    ) -> Result<Vec<R>, LedgerError> {
        let failed = |error: sqlx::Error| LedgerError::Failed(error.into());
        let rows: Result<Vec<R>, BoxError> = match self {
            Attempting::Sqlite(transaction) => {
                let query = values.iter().fold(sqlx::query(statement), |query, value| match value {
                    Bound::Text(text) => query.bind(text.map(str::to_owned)),
                    Bound::Number(number) => query.bind(*number),
                });
                let rows = query.fetch_all(&mut **transaction).await.map_err(failed)?;
                rows.iter().map(|row| read(SqlRow::Sqlite(row))).collect()
            }
            Attempting::Postgres(transaction) => {
                let query = values.iter().fold(sqlx::query(statement), |query, value| match value {
                    Bound::Text(text) => query.bind(text.map(str::to_owned)),
                    Bound::Number(number) => query.bind(*number),
                });
                let rows = query.fetch_all(&mut **transaction).await.map_err(failed)?;
                rows.iter().map(|row| read(SqlRow::Postgres(row))).collect()
            }
        };
        rows.map_err(LedgerError::Failed)
    }

    pub(super) async fn commit(self) -> Result<(), LedgerError> {
        let committed = match self {
            Attempting::Sqlite(transaction) => transaction.commit().await,
            Attempting::Postgres(transaction) => transaction.commit().await,
        };
        committed.map_err(|error| LedgerError::Failed(error.into()))
    }
}
