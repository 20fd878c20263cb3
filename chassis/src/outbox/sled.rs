//! The outbox on sled.
//!
//! Files: the directory `store` in the data directory. Trees and their keys: [`layout`].
//!
//! Atomicity: a group is one transaction over all trees, which sled's log recovers as a whole or not at
//! all. What is written is worked out before; inside there are only look-ups and inserts, since sled has one
//! lock for all transactions of a process, and a plain call of a tree inside would wait for it for ever.
//!
//! Crash: sled's own flush on Linux starts the writing but neither syncs the file's size nor the disk's
//! cache. So a group is durable after `flush()` and a `sync_data()` on a handle of our own of the file
//! `db`. That handle is opened once: it reports each write-back error once, also one that sled's flusher
//! met in between and only logged. Readers see a group before it is durable, so they wait for it. A start
//! syncs everything that it finds before anything is served. After a sync that failed, it copies the
//! store into a new directory first.
//!
//! Values are at most 16 KiB: sled puts larger pages into files of their own, which it never syncs. A page
//! holds up to some twenty values, and segments are so large that such a page stays inside the log.

mod backup;
mod layout;
mod open;
mod read;
mod write;

use std::marker::PhantomData;

pub(super) use backup::STORE;
pub use layout::STATE_LIMIT;

use super::{
    Outbox,
    hooks::Hooks,
    model::{Model, Published},
    open::{OpenError, OutboxOptions},
    store::BoxError,
};

/// How the service's states are named and encoded.
pub trait SledTables: Send + Sync + 'static {
    /// Whose states.
    type Model: Published;

    /// The collection and the id of a key, neither with a NUL in it. A published entity's collection has
    /// its name, and its ids are the keys of its changes.
    fn place(key: &<Self::Model as Model>::Key) -> (&'static str, String);

    /// The reverse of [`SledTables::place`].
    fn key(collection: &str, id: &str) -> <Self::Model as Model>::Key;

    /// A state as it is stored: at most [`STATE_LIMIT`] bytes, and readable by every later version.
    fn encode(state: &<Self::Model as Model>::State) -> Vec<u8>;

    /// The reverse of [`SledTables::encode`].
    fn decode(bytes: &[u8]) -> Result<<Self::Model as Model>::State, BoxError>;
}

/// This kind of store, with the service's encoding.
struct Sled<T>(PhantomData<T>);

impl<M: Published> Outbox<M> {
    /// Opens the service's sled store in the data directory, or creates it.
    pub async fn open_sled<T: SledTables<Model = M>>(options: OutboxOptions) -> Result<Self, OpenError> {
        Self::open_sled_with::<T>(options, Hooks::none()).await
    }

    pub(super) async fn open_sled_with<T: SledTables<Model = M>>(
        options: OutboxOptions,
        hooks: Hooks,
    ) -> Result<Self, OpenError> {
        super::open::open_embedded::<M, Sled<T>>(options, hooks).await
    }
}
