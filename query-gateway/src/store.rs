//! The gateway's store: one SQLite file, or one database of PostgreSQL, that holds base tables, positions and what was
//! learned of the sources. One connection writes; readers see the state of one commit each.
//!
//! Names: base tables are `[a-z][a-z0-9_]*`, so that whatever begins with `_` is the gateway's own:
//! `_gateway` (epoch and commit sequence), `_sources` (position and schema of each), `_tables` (row counts),
//! `_staging_*` (rows of a snapshot that is not complete; dropped at start), `_versions` (of materialized views; their
//! tables are `_v*`), `_definitions` (of views, by CreateView) and `_served` (the last good definition of each view). In a
//! database, which several gateways may share, also `_layout` (the relations that can be read) and `_published` (what the one
//! that applies tells the others).
//!
//! Crash: `synchronous=NORMAL`, and `synchronous_commit=off` of PostgreSQL, may lose the last commits at a loss of power,
//! positions and rows alike, and the feeds deliver them again. There is no state in which one is kept without the other.

mod apply;
mod backup;
pub(crate) mod definitions;
mod fail;
mod fill;
pub(crate) mod indexes;
pub(crate) mod layout;
mod load;
pub(crate) mod maintained;
mod metrics;
pub(crate) mod objects;
mod open;
mod reshape;
mod rows;
mod snapshot;
mod statements;
pub(crate) mod timings;
pub(crate) mod versions;
pub(crate) mod visible;
mod work;
mod writer;
mod writing;

use std::{path::Path, sync::Arc, time::Duration};

use opentelemetry::global;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};
use tributary_chassis::{database::Database, store_size};

pub use self::backup::{POSTGRES_STORES, STORES};
use self::open::Opened;
#[cfg(test)]
pub(crate) use self::statements::storage;
pub use self::writing::Writing;
pub(crate) use self::{
    fail::fail,
    fill::{FIRST_SIZE, Fill},
    load::{Filled, load},
    maintained::Maintained,
    work::{Begin, Changes, Queue, Step, queue},
    writer::Writer,
};
pub(crate) use crate::delta::statements::IndexStatement;
use crate::{
    database::{Connection, Dialect, Error, Pool},
    error::StoreError,
};

/// A handle of the store; clones share one store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: Mutex<Writing>,
    readers: Pool,
    dialect: Dialect,
    queries: Pool,
    epoch: String,
    /// Where it can be opened again; none of a file.
    database: Option<Database>,
}

/// A session that gives no answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(3);

impl Store {
    /// Opens the store in `data_dir`, which exists and is locked by this process. Creates it if need be.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let opened = open::open_sqlite(data_dir).await?;
        let store = Self::new(opened, writing::Fenced::of_directory, None);
        let (open, file) = (Arc::downgrade(&store.0), data_dir.join(open::FILE));
        // As long as it is open, which who measures does not keep it.
        store_size::observe(&global::meter("tributary"), move || {
            (open.strong_count() > 0).then(|| Ok(store_size::of_sqlite(&file)?))
        });
        Ok(store)
    }

    /// Opens the store in a database of PostgreSQL, which is the gateway's own, or that of several. Creates its tables if
    /// need be. Nothing can be written before it leads.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        Self::connect_with(database, database).await
    }

    /// As [`Store::connect`], but statements of users are run by a login of their own: `readers` is the same database.
    pub async fn connect_with(database: &Database, readers: &Database) -> Result<Self, StoreError> {
        let opened = open::open_postgres(database, readers).await?;
        Ok(Self::new(opened, writing::Fenced::standby, Some(database.clone())))
    }

    fn new(opened: Opened, fence: fn(Connection) -> writing::Fenced, database: Option<Database>) -> Self {
        let Opened { writer, readers, queries, epoch } = opened;
        let dialect = writer.dialect();
        let writer = Mutex::new(Writing::new(fence(writer)));
        Self(Arc::new(Inner { writer, readers, dialect, queries, epoch, database }))
    }

    /// Tries to come to lead, which is to write alone; `false` while another one does. Of a file, who has it does.
    pub async fn lead(&self) -> Result<bool, StoreError> {
        let mut writing = self.write().await;
        // Whoever led before may have to end a transaction first.
        answered("taking the lead", writing.connection.lead()).await
    }

    /// Whether it still leads. To be asked every second: the server ends a session that says nothing. Who is busy with the
    /// connection says enough, and is not asked: `false`.
    pub async fn confirm_lead(&self) -> Result<bool, StoreError> {
        let Ok(mut writing) = self.0.writer.try_lock() else { return Ok(false) };
        answered("confirming the lead", writing.connection.confirm()).await.map(|()| true)
    }

    /// That the database can be reached, by whoever is not busy with it.
    pub(crate) async fn reach(&self) -> Result<(), StoreError> {
        answered("reaching the store", async { self.another().await.map(drop) }).await
    }

    /// As which it came to lead, in the order of those who did; none of a file.
    pub(crate) async fn generation(&self) -> Option<i64> {
        self.write().await.generation()
    }

    /// Leads no more, until it has connected anew and comes to lead again.
    pub(crate) async fn resign(&self) {
        self.write().await.connection.resign();
    }

    /// A connection to the database beside the one that writes: for what is not part of the read model.
    pub(crate) async fn another(&self) -> Result<Connection, StoreError> {
        match &self.0.database {
            Some(database) => open::beside_postgres(database).await,
            None => self.read().await,
        }
    }

    /// Gives up the session that wrote and what was known with it, in favour of another, which does not lead.
    pub async fn reconnect(&self) -> Result<(), StoreError> {
        let Some(database) = &self.0.database else { return Ok(()) };
        let mut writing = self.write().await;
        let (connection, epoch) = open::reopen_postgres(database).await?;
        if epoch != self.0.epoch {
            return Err(StoreError::Replaced { was: self.0.epoch.clone(), is: epoch });
        }
        *writing = Writing::new(writing::Fenced::standby(connection));
        Ok(())
    }

    /// In which it is asked.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Which life of this store: random, new with every file.
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// The one connection that writes, for as long as the guard is held. Keep it
    /// short: applying waits meanwhile.
    pub async fn write(&self) -> MutexGuard<'_, Writing> {
        self.0.writer.lock().await
    }

    /// A connection that cannot write, for statements of the gateway's own. Begin a transaction where more than one statement
    /// must see the same state.
    pub async fn read(&self) -> Result<Connection, StoreError> {
        self.0.readers.acquire().await.map_err(StoreError::sql("taking a reader"))
    }

    /// A connection that can do no more than users may: read what is published, and positions.
    pub async fn query(&self) -> Result<Connection, StoreError> {
        self.0.queries.acquire().await.map_err(StoreError::sql("taking a reader"))
    }
}

/// Waits for an answer of the server for as long as anybody may.
async fn answered<T>(
    operation: &'static str,
    asking: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(StoreError::sql(operation)(Error::late())))
}

#[cfg(test)]
pub(crate) mod tests;
