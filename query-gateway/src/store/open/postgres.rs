//! Opens and creates the store in a database of PostgreSQL, which is the gateway's own.

mod readers;
mod role;

use std::time::Duration;

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::time::timeout;
use tributary_chassis::database::Database;

use super::Opened;
use crate::{
    database::{Connection, Error},
    delta::statements::POSTGRES_WRITER,
    error::StoreError,
    sql::text::POSTGRES_SESSION,
};

/// How long a server may take to let somebody in.
const CONNECT: Duration = Duration::from_secs(10);

/// 15, the first that takes NULLs of keys for equal.
const OLDEST: i64 = 150_000;

/// That of the tables below, told apart from another layout by `_gateway.format`.
pub(in crate::store) const FORMAT: u32 = 1;

/// Of every connection, besides the settings without which a text means something else.
const SESSION: [(&str, &str); 3] = [
    ("search_path", "public"),
    ("client_min_messages", "warning"),
    // What runs for a client that is gone is stopped within that time.
    ("client_connection_check_interval", "1s"),
];

/// Of the connection that writes, or would, besides those by which views are kept. The last commits may be lost with the
/// server, positions and rows alike, and the feeds deliver them again. A writer that stands still is cut off, within a
/// transaction and outside of one: others wait for what it holds, and for the lead. Whoever has the connection says something
/// on it every second.
const WRITER: [(&str, &str); 3] = [
    ("synchronous_commit", "off"),
    ("idle_session_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "3s"),
];

const TABLES: &str = r#"
CREATE TABLE _gateway (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    format BIGINT NOT NULL,
    epoch TEXT NOT NULL,
    commits BIGINT NOT NULL,
    generation BIGINT NOT NULL DEFAULT 0,
    next_version BIGINT NOT NULL DEFAULT 1
) WITH (fillfactor = 50);
CREATE TABLE _sources (
    source TEXT COLLATE "C" PRIMARY KEY,
    service TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    digest BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    commit_time BIGINT,
    described BYTEA NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE _tables (
    name TEXT COLLATE "C" PRIMARY KEY,
    source TEXT NOT NULL,
    rows BIGINT NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE _versions (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    complete BIGINT NOT NULL
);
CREATE TABLE _definitions (name TEXT COLLATE "C" PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE _served (name TEXT COLLATE "C" PRIMARY KEY, file TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE _layout (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    number BIGINT NOT NULL,
    catalog BYTEA NOT NULL
);
INSERT INTO _layout VALUES (1, 0, '');
CREATE UNLOGGED TABLE _published (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    generation BIGINT NOT NULL,
    number BIGINT NOT NULL,
    told TIMESTAMPTZ NOT NULL,
    state BYTEA NOT NULL
) WITH (fillfactor = 50);
"#;

/// Held while tables are created, so that one of several gateways that start at once does it.
const CREATING: i64 = 0x7472_6962_7574_6172;

/// Opens the store in `database`. Statements of users are run as the user of `readers`, which is the same database.
pub(in crate::store) async fn open(database: &Database, readers: &Database) -> Result<Opened, StoreError> {
    let mut writer = writer(database).await?;
    let (epoch, role) = create(&mut writer).await?;
    let queries = readers::queries(session(readers), &role, &epoch).await?;
    Ok(Opened { writer, readers: readers::own(session(database)), queries, epoch })
}

/// Another writing connection to a store that was opened, and its epoch.
pub(in crate::store) async fn reopen(database: &Database) -> Result<(Connection, String), StoreError> {
    let mut writer = writer(database).await?;
    let epoch = epoch(&mut writer).await?;
    Ok((writer, epoch))
}

/// A connection that is no writer and no reader.
pub(in crate::store) async fn beside(database: &Database) -> Result<Connection, StoreError> {
    connect(session(database).options([("synchronous_commit", "off"), ("statement_timeout", "3s")])).await
}

async fn writer(database: &Database) -> Result<Connection, StoreError> {
    connect(session(database).options(POSTGRES_WRITER.iter().copied()).options(WRITER)).await
}

async fn connect(options: PgConnectOptions) -> Result<Connection, StoreError> {
    let connected = timeout(CONNECT, options.connect()).await;
    let connected =
        connected.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
    connected.map(Connection::postgres).map_err(|error| refused(error.into()))
}

/// Why nobody is let in, with what to do about what does not mend itself.
fn refused(error: Error) -> StoreError {
    let remedy = match error.code().as_deref() {
        Some("28P01" | "28000") => "give a user whom the server lets in, and its password, as by PGPASSWORD",
        Some("3D000") => "make it, as by createdb, and give it to the user of --store",
        Some("42501") => "give a user who owns the database",
        _ => return StoreError::sql("opening the store")(error),
    };
    StoreError::Server(format!("{}: {remedy}", error.message().unwrap_or_default()))
}

fn session(database: &Database) -> PgConnectOptions {
    let options = database.options().clone().application_name("query-gateway").statement_cache_capacity(512);
    options.options(POSTGRES_SESSION.iter().copied()).options(SESSION)
}

/// The epoch of a store that this program can read.
async fn epoch(tx: &mut Connection) -> Result<String, StoreError> {
    let gateway = tx.query("SELECT format, epoch FROM _gateway").one().await;
    let (format, epoch): (i64, String) = gateway.map_err(StoreError::sql("opening the store"))?;
    if format != i64::from(FORMAT) {
        return Err(StoreError::Damaged(format!("its format is {format}, this program writes {FORMAT}")));
    }
    Ok(epoch)
}

/// Creates the tables of an empty database, checks the format of any other; tells the epoch, and the role of readers.
async fn create(writer: &mut Connection) -> Result<(String, String), StoreError> {
    let failed = StoreError::sql("creating the store");
    let mut tx = writer.begin().await.map_err(&failed)?;
    usable(&mut tx).await?;
    let lock = tx.query("SELECT pg_advisory_xact_lock($1)").bind(CREATING);
    lock.execute().await.map_err(&failed)?;
    if let Some(name) = of_others(&mut tx).await.map_err(&failed)? {
        let text =
            format!("the database has `{name}`, which is not the gateway's: give it a database of its own");
        return Err(StoreError::Server(text));
    }
    let exists = "SELECT to_regclass('public._gateway') IS NOT NULL";
    if !tx.query(exists).one::<bool>().await.map_err(&failed)? {
        tx.script(TABLES).await.map_err(refused)?;
        let insert = tx.query("INSERT INTO _gateway (one, format, epoch, commits) VALUES (1, $1, $2, 0)");
        let epoch = uuid::Uuid::new_v4().simple().to_string();
        insert.bind(i64::from(FORMAT)).bind(epoch).execute().await.map_err(&failed)?;
    }
    let epoch = epoch(&mut tx).await?;
    let role = role::prepare(&mut tx).await?;
    tx.commit().await.map_err(&failed)?;
    Ok((epoch, role))
}

/// Whether the server has what is needed.
async fn usable(tx: &mut Connection) -> Result<(), StoreError> {
    let text = "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), getdatabaseencoding()::text";
    let settings = tx.query(text).one().await;
    let (number, version, encoding): (i64, String, String) =
        settings.map_err(StoreError::sql("opening the store"))?;
    if number < OLDEST {
        return Err(StoreError::Server(format!("PostgreSQL {version} is too old: 15 or newer is needed")));
    }
    if encoding != "UTF8" {
        return Err(StoreError::Server(format!(
            "the encoding of the database is {encoding}: create one with UTF8"
        )));
    }
    Ok(())
}

/// A table or view in a database where the gateway never was.
async fn of_others(tx: &mut Connection) -> Result<Option<String>, Error> {
    let text = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
        AND to_regclass('public._gateway') IS NULL ORDER BY relname LIMIT 1";
    tx.query(text).optional().await
}
