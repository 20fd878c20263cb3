//! The outbox on SQLite.
//!
//! Files: `store.db` in the data directory, with its `-wal` and `-shm`. Tables: those of the chassis
//! ([`schema`]) and those of the service ([`SqlRows`]), each with migrations of their own.
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
pub(crate) mod rows;
mod schema;
mod write;

use std::marker::PhantomData;

pub(super) use backup::STORE;
pub use rows::scan_statement;

use super::{
    Outbox,
    hooks::Hooks,
    model::Published,
    open::{OpenError, OutboxOptions},
    rows::SqlRows,
};

/// This kind of store, with the service's tables.
struct Sqlite<T>(PhantomData<T>);

impl<M: Published> Outbox<M> {
    /// Opens the service's SQLite store in the data directory, or creates it.
    pub(super) async fn open_sqlite<T: SqlRows<Model = M>>(
        options: OutboxOptions,
    ) -> Result<Self, OpenError> {
        Self::open_sqlite_with::<T>(options, Hooks::none()).await
    }

    pub(super) async fn open_sqlite_with<T: SqlRows<Model = M>>(
        options: OutboxOptions,
        hooks: Hooks,
    ) -> Result<Self, OpenError> {
        super::open::open_embedded::<M, Sqlite<T>>(options, hooks).await
    }
}
