//! Opening a database so that everything in it is durable, and writing it anew after a failed sync.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Sqlite,
    read::SqliteReader,
    schema,
    write::{SqliteBackend, mark},
};
use crate::{
    backup,
    outbox::{
        hooks::Hooks,
        marker::sync_directory,
        migrations::{chassis_migrator, migrator},
        open::{Embedded, Kind, Opened, OutboxOptions},
        rows::SqlRows,
        store::BoxError,
    },
};

pub(super) const FILE: &str = "store.db";
/// What is left of a rewrite that a crash cut short; never the only copy.
const REWRITTEN: &str = "store.db.rewritten";

/// The first release without the WAL reset defect that can corrupt a database.
const MIN_VERSION: (u32, u32, u32) = (3, 51, 3);

/// Connections for reading. Reads are short; more would only take turns on the cores.
const READERS: u32 = 4;

/// Nobody else writes, so this only bridges a checkpoint.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl<T: SqlRows> Embedded<T::Model> for Sqlite<T> {
    async fn rewrite(options: &OutboxOptions) -> Result<(), BoxError> {
        let directory = &options.data_dir;
        let old = directory.join(FILE);
        let new = directory.join(REWRITTEN);
        if !old.try_exists()? {
            return Ok(());
        }
        remove(&new)?;
        let mut connection = writer_options(&old).connect().await?;
        // An old WAL beside the new database would be taken for its own: it must be empty before the
        // names change.
        checkpoint(&mut connection).await?;
        let path = new.to_str().ok_or("the data directory's name is not UTF-8")?;
        sqlx::query("VACUUM INTO ?1").bind(path).execute(&mut connection).await?;
        connection.close().await?;
        remove(&directory.join(format!("{FILE}-wal")))?;
        remove(&directory.join(format!("{FILE}-shm")))?;
        File::open(&new)?.sync_all()?;
        check(&new).await?;
        sync_directory(directory)?;
        fs::rename(&new, &old)?;
        Ok(sync_directory(directory)?)
    }
}

impl<T: SqlRows> Kind<T::Model> for Sqlite<T> {
    type Backend = SqliteBackend<T>;

    async fn open(
        options: &OutboxOptions,
        new_epoch: &str,
        _: &Hooks,
    ) -> Result<Opened<T::Model, Self::Backend>, BoxError> {
        let path = options.data_dir.join(FILE);
        let mut connection = writer_options(&path).connect().await?;
        require_version(&mut connection).await?;
        require_durability(&mut connection).await?;
        chassis_migrator(&schema::MIGRATIONS).run(&mut connection).await?;
        let create = "INSERT INTO tributary_log VALUES (1, ?1, ?2, 0, 0, 0, 0) ON CONFLICT DO NOTHING";
        sqlx::query(create).bind(&options.service).bind(new_epoch).execute(&mut connection).await?;
        let log = "SELECT service, epoch, head_sequence, head_digest FROM tributary_log";
        let log = sqlx::query(log).fetch_one(&mut connection).await?;
        let service: String = log.try_get(0)?;
        if service == options.service {
            // Another service's store gets no tables of ours: the caller refuses it.
            migrator(T::ON_SQLITE).run(&mut connection).await?;
        }
        checkpoint(&mut connection).await?;
        sync_directory(&options.data_dir)?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(reader_options(&path));
        Ok(Opened {
            service,
            epoch: log.try_get(1)?,
            head: mark(log.try_get(2)?, log.try_get(3)?),
            reader: Arc::new(SqliteReader::<T>::new(readers.await?, path)),
            backend: SqliteBackend::new(connection),
        })
    }
}

fn writer_options(path: &PathBuf) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

fn reader_options(path: &PathBuf) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .pragma("query_only", "1")
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Moves the whole WAL into the database, synced.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), BoxError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    match row.try_get::<i64, _>(0)? {
        0 => Ok(()),
        _ => Err("the WAL cannot be moved into the database: somebody reads it".into()),
    }
}

async fn require_version(connection: &mut SqliteConnection) -> Result<(), BoxError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) < MIN_VERSION {
        let (major, minor, patch) = MIN_VERSION;
        return Err(format!("SQLite {version} can corrupt a WAL: {major}.{minor}.{patch} is needed").into());
    }
    Ok(())
}

/// A file system may not allow a WAL, in which case SQLite goes on without a word.
async fn require_durability(connection: &mut SqliteConnection) -> Result<(), BoxError> {
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await?;
    match (journal.as_str(), synchronous) {
        ("wal", 2) => Ok(()),
        _ => Err(format!("SQLite runs with journal_mode={journal}, synchronous={synchronous}").into()),
    }
}

async fn check(path: &PathBuf) -> Result<(), BoxError> {
    let mut connection = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
    backup::check(&mut connection).await?;
    Ok(connection.close().await?)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
