//! Opens and creates the file.

use std::{path::Path, time::Duration};

use prost::Message as _;
use sqlx::{
    ConnectOptions as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tributary_proto::feed::v1::DescribeResponse;

use super::{
    super::statements::{self, STAGING},
    Opened,
};
use crate::{
    database::{Connection, Dialect, Error, Pool},
    error::StoreError,
    schema::Schema,
};

/// In the data directory.
pub(in crate::store) const FILE: &str = "query.db";

/// Readers at once: typed answers, status, and the ad-hoc ones, which are bounded by themselves.
const READERS: u32 = 16;

/// KiB, negative: for pages, and again for what is sorted.
const READER_CACHE: &str = "-16384";

/// Bytes: rows of views that change lie scattered, and each writes its whole page.
const PAGE_SIZE: u32 = 1024;

/// A checkpoint syncs, so one per 64 MiB of writing and not one per batch.
const CHECKPOINT_BYTES: i64 = 64 << 20;

/// What a log that had to grow, because a reader took long, is cut back to.
const JOURNAL_BYTES: &str = "134217728";

/// Told apart from a file of another layout by `PRAGMA user_version`.
pub(in crate::store) const FORMAT: u32 = 3;

const TABLES: &str = "
CREATE TABLE _gateway (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    commits INTEGER NOT NULL,
    next_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE _sources (
    source TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    commit_time INTEGER,
    described BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE _tables (
    name TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    rows INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Views that are kept, views and indexes that were made by a call, and by which definition each view is served.
const VIEWS: &str = "
CREATE TABLE _versions (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    complete INTEGER NOT NULL
) STRICT;
CREATE TABLE _definitions (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE _served (
    name TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What format 1, which kept no views, lacks.
const FROM_1: &str = "ALTER TABLE _gateway ADD COLUMN next_version INTEGER NOT NULL DEFAULT 1;";

/// What format 2 lacks, which did not keep what is told of the changes that wrote the rows: of rows that are there it is
/// not known. Tables of a source whose schema cannot be read any more are removed when the store is loaded.
async fn from_2(tx: &mut Connection) -> Result<(), Error> {
    let sources: Vec<(String, Vec<u8>)> = tx.query("SELECT source, described FROM _sources").all().await?;
    for (source, described) in sources {
        let described = DescribeResponse::decode(described.as_slice()).ok();
        let schema = described.and_then(|described| Schema::learn(&source, &described).ok());
        let tables = schema.iter().flat_map(Schema::tables);
        for statement in tables.flat_map(|table| statements::add_change(Dialect::Sqlite, table)) {
            tx.script(statement).await?;
        }
    }
    Ok(())
}

/// Opens the store in a directory.
pub(in crate::store) async fn open(data_dir: &Path) -> Result<Opened, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(data_dir.join(FILE))
        .create_if_missing(true)
        .page_size(PAGE_SIZE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(512)
        .pragma("journal_size_limit", JOURNAL_BYTES)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    let failed = StoreError::sql("opening the store");
    let mut writer = options.connect().await.map_err(Error::from).map_err(&failed)?;
    // The writer runs no compiled SQL but checks the views that it creates.
    tributary_sqlite::prepare(&mut writer).await?;
    let mut writer = Connection::sqlite(writer);
    checkpoint_seldom(&mut writer).await.map_err(&failed)?;
    let epoch = create(&mut writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|reader, _| Box::pin(guard(reader)))
        .connect_lazy_with(
            options
                .read_only(true)
                .pragma("query_only", "1")
                .pragma("cache_size", READER_CACHE)
                // What a query sorts or collects goes to disk beyond its cache: a stranger's may not fill memory.
                .pragma("temp_store", "file"),
        );
    let readers = Pool::Sqlite(readers);
    Ok(Opened { writer, queries: readers.clone(), readers, epoch })
}

/// SQLite counts pages; those of a file are as large as they were when it was made.
async fn checkpoint_seldom(writer: &mut Connection) -> Result<(), Error> {
    let size: i64 = writer.query("PRAGMA page_size").one().await?;
    writer.script(format!("PRAGMA wal_autocheckpoint = {}", CHECKPOINT_BYTES / size.max(1))).await
}

/// Readers run SQL of strangers. It is compiled against the catalog, so that nothing but tables and views can
/// occur in it; this is the second fence.
async fn guard(reader: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let guarded = async {
        tributary_sqlite::prepare(reader).await?;
        tributary_sqlite::guard_reader(reader, |relation| !relation.starts_with(STAGING)).await
    };
    guarded.await.map_err(|error| sqlx::Error::Configuration(error.into()))
}

/// Creates the tables of an empty file, checks the format of any other.
async fn create(writer: &mut Connection) -> Result<String, StoreError> {
    let failed = StoreError::sql("creating the store");
    let mut tx = writer.begin().await.map_err(&failed)?;
    let format: i64 = tx.query("PRAGMA user_version").one().await.map_err(&failed)?;
    match format {
        0 => {
            for text in [TABLES, VIEWS] {
                tx.script(text).await.map_err(&failed)?;
            }
            let epoch = uuid::Uuid::new_v4().simple().to_string();
            let insert = tx.query("INSERT INTO _gateway (one, epoch, commits) VALUES (1, $1, 0)");
            insert.bind(epoch).execute().await.map_err(&failed)?;
        }
        1 => {
            for text in [FROM_1, VIEWS] {
                tx.script(text).await.map_err(&failed)?;
            }
            from_2(&mut tx).await.map_err(&failed)?;
        }
        2 => from_2(&mut tx).await.map_err(&failed)?,
        own if own == i64::from(FORMAT) => {}
        other => {
            return Err(StoreError::Damaged(format!("its format is {other}, this program writes {FORMAT}")));
        }
    }
    tx.script("PRAGMA user_version = 3").await.map_err(&failed)?;
    let epoch = tx.query("SELECT epoch FROM _gateway").one().await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)?;
    Ok(epoch)
}
