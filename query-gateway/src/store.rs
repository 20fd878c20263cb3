//! The gateway's store: one SQLite file, or one database of PostgreSQL, that holds base tables, positions and what was
//! learned of the sources. One connection writes; readers see the state of one commit each.
//!
//! Names: base tables are `[a-z][a-z0-9_]*`, so that whatever begins with `_` is the gateway's own:
//! `_gateway` (epoch and commit sequence), `_sources` (position and schema of each), `_tables` (row counts),
//! `_staging_*` (rows of a snapshot that is not complete; dropped at start), `_versions` (of materialized views; their
//! tables are `_v*`), `_definitions` (of views, by CreateView) and `_served` (the last good definition of each view).
//!
//! Crash: `synchronous=NORMAL`, and `synchronous_commit=off` of PostgreSQL, may lose the last commits at a loss of power,
//! positions and rows alike, and the feeds deliver them again. There is no state in which one is kept without the other.

mod apply;
mod backup;
pub(crate) mod definitions;
mod fail;
mod fill;
pub(crate) mod indexes;
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

use std::{
    ops::{Deref, DerefMut},
    path::Path,
    sync::Arc,
};

use opentelemetry::global;
use tokio::sync::{Mutex, MutexGuard};
use tributary_chassis::{database::Database, store_size};

pub use self::backup::STORES;
use self::open::Opened;
#[cfg(test)]
pub(crate) use self::statements::storage;
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
    database::{Connection, Dialect, Pool},
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
}

/// Who holds it writes: the one connection, and the views that follow what is written.
#[derive(Debug)]
pub struct Writing {
    pub(crate) connection: Connection,
    pub(crate) maintained: Maintained,
}

/// To be read through, or written to besides the base tables.
impl Deref for Writing {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Store {
    /// Opens the store in `data_dir`, which exists and is locked by this process. Creates it if need be.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let store = Self::new(open::open_sqlite(data_dir).await?);
        let (open, file) = (Arc::downgrade(&store.0), data_dir.join(open::FILE));
        // As long as it is open, which who measures does not keep it.
        store_size::observe(&global::meter("tributary"), move || {
            (open.strong_count() > 0).then(|| Ok(store_size::of_sqlite(&file)?))
        });
        Ok(store)
    }

    /// Opens the store in a database of PostgreSQL, which is the gateway's own. Creates its tables if need be.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        Self::connect_with(database, database).await
    }

    /// As [`Store::connect`], but statements of users are run by a login of their own: `readers` is the same database.
    pub async fn connect_with(database: &Database, readers: &Database) -> Result<Self, StoreError> {
        open::open_postgres(database, readers).await.map(Self::new)
    }

    fn new(Opened { writer, readers, queries, epoch }: Opened) -> Self {
        let dialect = writer.dialect();
        let writing = Writing { connection: writer, maintained: Maintained::default() };
        Self(Arc::new(Inner { writer: Mutex::new(writing), readers, queries, dialect, epoch }))
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

#[cfg(test)]
pub(crate) mod tests;
