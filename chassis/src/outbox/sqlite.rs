//! The outbox on SQLite.
//!
//! Files: `store.db` in the data directory, with its `-wal` and `-shm`. Tables: those of the chassis
//! ([`schema`]) and those of the service ([`SqliteTables`]), each with migrations of their own.
//!
//! Atomicity: one writer connection; a group is one transaction, `BEGIN IMMEDIATE` to `COMMIT`. Readers
//! have connections of their own that cannot write.
//!
//! Crash: the journal is a WAL with `synchronous=FULL`, so `COMMIT` returns after the WAL was synced, and
//! readers see a commit only after that. Without its COMMIT a group is gone. A process that died between
//! writing the WAL and syncing it leaves frames that the next process can read, though no disk has
//! them: so a start moves the whole WAL into the database, synced, before anything is served. After a sync
//! that failed, the start copies the store by `VACUUM INTO` first.

mod backup;
mod open;
mod read;
mod rows;
mod schema;
mod write;

use std::{future::Future, marker::PhantomData};

use sqlx::SqliteConnection;

pub(super) use backup::STORE;
pub use rows::{SqliteRows, scan_statement};

use super::{
    Outbox,
    hooks::Hooks,
    model::{Model, Published},
    open::{OpenError, OutboxOptions},
    store::{BoxError, Row, StateWrite},
};

/// The service's tables: where its states lie. Each call runs inside a transaction of the chassis.
pub trait SqliteTables: Send + Sync + 'static {
    /// Whose states.
    type Model: Published;

    /// Version, name and text of every migration, in order of version; none may change once it has run
    /// anywhere.
    fn migrations() -> Vec<(i64, &'static str, &'static str)>;

    /// The states of those of the keys that have one.
    fn load(
        connection: &mut SqliteConnection,
        keys: &[<Self::Model as Model>::Key],
    ) -> impl Future<Output = Result<Vec<Row<Self::Model>>, BoxError>> + Send;

    /// Writes states; `None` removes. Each key comes once.
    fn save(
        connection: &mut SqliteConnection,
        writes: &[StateWrite<Self::Model>],
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Up to `limit` states of a collection in binary order of their id, behind `after`. A published
    /// entity's collection has its name, and its ids are the keys of its changes.
    fn scan(
        connection: &mut SqliteConnection,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Row<Self::Model>>, BoxError>> + Send;
}

/// This kind of store, with the service's tables.
struct Sqlite<T>(PhantomData<T>);

impl<M: Published> Outbox<M> {
    /// Opens the service's SQLite store in the data directory, or creates it.
    pub async fn open_sqlite<T: SqliteTables<Model = M>>(options: OutboxOptions) -> Result<Self, OpenError> {
        Self::open_sqlite_with::<T>(options, Hooks::none()).await
    }

    pub(super) async fn open_sqlite_with<T: SqliteTables<Model = M>>(
        options: OutboxOptions,
        hooks: Hooks,
    ) -> Result<Self, OpenError> {
        super::open::open::<M, Sqlite<T>>(options, hooks).await
    }
}
