//! What the outbox asks of a store: one writer that commits a group at a time, and readers beside it.
//! Everything else is the same for every store.

use std::{error::Error, time::Duration};

use time::OffsetDateTime;
use tributary_proto::feed::v1::Position;

use super::{
    batch::Batch,
    model::{Model, Published, Stored},
    progress::Progress,
};
use crate::{
    fault::{Fault, Reason},
    feed::{Mark, Record},
};

/// Any error of a store: the log gets to see it, a caller never.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A key and what is kept under it.
pub type Row<M> = (<M as Model>::Key, Stored<<M as Model>::State>);

/// A key and what is to be kept under it; `None` removes it.
pub type StateWrite<M> = (<M as Model>::Key, Option<Stored<<M as Model>::State>>);

/// What has to be known before a group can be decided.
#[derive(Debug)]
pub(super) struct Wanted<K> {
    /// Sorted, each once.
    pub(super) keys: Vec<K>,
    /// Sorted, each once.
    pub(super) requests: Vec<String>,
    /// Of which the followed position is wanted; sorted, each once.
    pub(super) sources: Vec<String>,
}

/// The answer to [`Wanted`], as the transaction sees it.
#[derive(Debug)]
pub(super) struct Loaded<M: Model> {
    pub(super) head: Mark,
    /// When the change at the head was committed, where another process may have done it.
    pub(super) head_time: Option<OffsetDateTime>,
    pub(super) oldest: Mark,
    pub(super) states: Vec<Row<M>>,
    pub(super) replies: Vec<(String, Reply)>,
    pub(super) followed: Vec<(String, Position)>,
}

/// What is kept under a request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Of method and request.
    pub(super) digest: [u8; 32],
    /// The encoded reply message.
    pub(super) body: Vec<u8>,
    /// What the reply stands on, its own position included, as text.
    pub(super) positions: String,
    /// Microseconds since 1970.
    pub(super) commit_time: i64,
}

/// Why a group was not applied.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing of it will remain once it is rolled back.
    Refused(BoxError),
    /// Some of it may remain.
    Unknown(BoxError),
}

/// A store that others run cannot be reached at the moment; nothing of what was tried is left in it.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be reached")]
pub(super) struct Unreachable(#[source] pub(super) BoxError);

/// The store is not the one that was opened: another has taken its place, such as one from a backup.
#[derive(Debug, thiserror::Error)]
#[error("the store was replaced: its epoch was {was}, and is {is}")]
pub(super) struct Replaced {
    pub(super) was: String,
    pub(super) is: String,
}

/// Whether it is worth to try again later, since the store is the same by then.
pub(super) fn is_unreachable(error: &BoxError) -> bool {
    error.is::<Unreachable>()
}

/// What a caller is told of an error of the store.
pub(super) fn fault(operation: &'static str, error: BoxError) -> Fault {
    if is_unreachable(&error) { unreachable(error) } else { Fault::internal(operation, error) }
}

/// What a caller is told while the store cannot be reached.
pub(super) fn unreachable(why: impl Into<BoxError>) -> Fault {
    let text = "the store cannot be reached: try again later";
    Fault::new(Reason::Unavailable, text).retry_after(UNREACHABLE_RETRY).with_source(why)
}

/// About as long as a database takes to be back, or another one to take over.
const UNREACHABLE_RETRY: Duration = Duration::from_secs(1);

/// The writing side of a store. Only the writer's thread uses it, so nobody else in this process writes between
/// [`Backend::begin`] and [`Backend::sync`]; where several processes share the store, its own lock keeps them apart.
pub(super) trait Backend<M: Published>: Send + 'static {
    /// Whether readers see what [`Backend::apply`] wrote before [`Backend::sync`] made it durable.
    const SHOWS_UNSYNCED: bool;

    /// Whether the store can hold these states; asked before a command is accepted.
    fn admit(&self, writes: &[StateWrite<M>]) -> Result<(), Fault>;

    /// Begins a transaction and reads what is wanted in it.
    async fn begin(&mut self, wanted: &Wanted<M::Key>) -> Result<Loaded<M>, BoxError>;

    /// Writes the group. It is complete then, but a crash may take it back.
    async fn apply(&mut self, batch: &Batch<M>) -> Result<(), Failure>;

    /// Makes the group survive a loss of power. After an error nobody knows whether it will.
    async fn sync(&mut self) -> Result<(), BoxError>;

    /// Whether a group is there whose sync failed with `error`: found out where that is possible, else the error is
    /// given back.
    async fn outcome(&mut self, error: BoxError) -> Result<bool, BoxError> {
        Err(error)
    }

    /// Tells other processes that share the store that there is more in it. It may get lost.
    async fn announce(&mut self) {}

    /// Gives up what was begun.
    async fn rollback(&mut self) -> Result<(), BoxError>;

    /// The last thing that happens to it.
    async fn close(self) -> Result<(), BoxError>;
}

/// The reading side of a store. It may show what is not durable yet: the caller waits.
#[tonic::async_trait]
pub(super) trait Reader<M: Published>: Send + Sync + 'static {
    async fn get(&self, key: &M::Key) -> Result<Option<Stored<M::State>>, BoxError>;

    /// Up to `limit` states of a collection in order of their id, behind `after`.
    async fn list(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row<M>>, BoxError>;

    async fn reply(&self, request_id: &str) -> Result<Option<Reply>, BoxError>;

    /// Through where `source` is followed.
    async fn followed(&self, source: &str) -> Result<Option<Position>, BoxError>;

    /// Bytes on disk; asked when metrics are collected.
    fn size(&self) -> Result<u64, BoxError>;

    /// The durable head as it is by now, where others move it too.
    async fn head(&self) -> Result<Option<Mark>, BoxError> {
        Ok(None)
    }

    /// Keeps `progress` up to what others that share the store do, as long as it is not dropped. Whoever does not
    /// share it leads at once.
    async fn watch(&self, progress: &Progress) {
        progress.lead(true);
        std::future::pending().await
    }

    async fn oldest(&self) -> Result<Mark, BoxError>;

    /// The digest of a change that is still there.
    async fn digest(&self, sequence: u64) -> Result<Option<u64>, BoxError>;

    /// Changes behind `after` up to `through`, in order: until they are more than `max_bytes`, but at least
    /// one if there is any.
    async fn records(&self, after: u64, through: u64, max_bytes: usize) -> Result<Vec<Record>, BoxError>;
}
