//! The change feed, `tributary.feed.v1.ChangeFeed`: how a service lets others follow what it owns.
//!
//! [`server`] serves any [`Log`]; [`follow`] follows any server. Whoever writes either in another language
//! finds the messages in `feed.proto`, and here what they do not say.
//!
//! # Serving
//!
//! **The log.** Every command that changes something appends its changes under the next sequences, in the
//! transaction that changes the state: gapless from 1, in commit order, each with the [`digest()`] of the
//! history up to it, the last one of a command marked `last_in_command`. Nothing is shown that a crash
//! could still take back. Old changes may be removed from the front, whole commands at a time; `oldest` is
//! the position of the last one removed.
//!
//! **Describe.** `entities` names, for each published entity, the message that carries it: the one whose
//! option `tributary.options.v1.entity` has the entity's name for a table. `file_descriptor_set` holds
//! these messages and all that they import, as encoded by the compiler; re-encoding it through structs that
//! know no extensions loses the options.
//!
//! **Subscribe** is decided in this order, before the stream begins:
//!
//! | the subscriber sends | answer |
//! | --- | --- |
//! | anything, while the service stops | `UNAVAILABLE`, reason `DRAINING` |
//! | anything, while there are too many subscribers | `RESOURCE_EXHAUSTED`, with `RetryInfo` |
//! | no start, an unknown entity, another service, no epoch | `INVALID_ARGUMENT`, with the field |
//! | another epoch | `FAILED_PRECONDITION`, reason `HISTORY_DIVERGED` |
//! | a sequence below `oldest` | `OUT_OF_RANGE`, reason `POSITION_EXPIRED` |
//! | another digest than the one kept | `HISTORY_DIVERGED`: restored from a backup, written since |
//! | a sequence that the log does not have | `HISTORY_DIVERGED`: older than what it once sent |
//! | a snapshot cursor for which one of the above holds, or of other entities | `POSITION_EXPIRED` |
//!
//! Reasons are those of `google.rpc.ErrorInfo` in the details of the status, with the domain `tributary`.
//!
//! **Changes.** A frame covers the whole range behind `after` through `through`, and `after` is the
//! `through` of the frame before. A subscriber that asked for some entities only gets frames with some of
//! the changes or none, over the same ranges. A frame ends with a command, and has at most
//! `max_frame_bytes` as encoded, unless one command alone is larger.
//!
//! **Snapshots** need no isolation. `low` is the head when it begins. Then come the rows, entity by entity
//! in the order of Describe, each entity in the order of its keys, each row as an `UPSERT` with the
//! sequence that wrote it, and not before the head has reached that sequence; `cursor` names the last row
//! of its frame. `high` is the head when the last row was read. The changes behind `low` follow at once.
//! A cursor resumes the snapshot behind its row: the stream repeats `SnapshotBegin` with the same `low` and
//! `id`, and goes on. Nothing about a snapshot has to be remembered for that.
//!
//! **Progress** comes at least every [`MAX_PROGRESS_INTERVAL`], also while there is nothing else or much
//! else. Its `through` is that of the last `Changes`, or `low` within a snapshot: it moves no position.
//!
//! **Ends.** A subscriber that does not read is cut off with `RESOURCE_EXHAUSTED`, reason
//! `SUBSCRIBER_STALLED`, and the position that it has as text in the metadata `position` of the
//! `ErrorInfo`. When the service stops, streams end with `UNAVAILABLE`, reason `DRAINING`. One that falls
//! behind what is kept ends with `POSITION_EXPIRED`.
//!
//! # Following
//!
//! Commit the position in the transaction of its effects. Apply a change, or a row, if its sequence is
//! above that of the row it replaces; keep the sequences of deleted rows until `high`, since an older row
//! may still come. After a break, resume from the position that was committed, or from the cursor of the
//! last rows. Check what [`Follower`] checks: every frame begins where the one before ended, sequences have
//! no gap, the digests chain, the epoch stays. What does not hold is an alarm, and never repaired by
//! guessing.
//!
//! Call `Acknowledge` with what was committed, about as often as that changes ([`acknowledge()`] does, a few times a
//! second): a service can say how far behind a consumer is only by that. A consumer that does not is taken to have
//! what it read.

mod acknowledge;
mod admission;
mod clock;
mod consumers;
mod describe;
mod follow;
mod frames;
mod metrics;
mod server;
mod slot;
mod source;
mod subscription;

#[cfg(test)]
mod backpressure;
#[cfg(test)]
mod machine;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod served;
#[cfg(test)]
pub(crate) mod stored;

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tributary_proto::feed::v1 as proto;

use crate::{fault::Fault, timestamp};

pub use acknowledge::acknowledge;
pub use clock::{Clock, ClockReading};
pub use follow::{Event, FollowOptions, Follower, Patience, StopReason, follow};
pub use server::{ChangeFeed, ChangeFeedServer, FeedOptions, server};

/// Progress is told at least so often: a contract, from which followers conclude that a silent service is
/// gone.
pub const MAX_PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// A place in one log, with the digest of the history up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Gapless from 1; 0 is before the first change.
    pub sequence: u64,
    /// [`digest()`] of the change there; 0 at sequence 0.
    pub digest: u64,
}

/// A change with the digest of the history up to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// As subscribers receive it.
    pub change: proto::Change,
    /// [`digest()`] of it.
    pub digest: u64,
}

/// A durable log of changes, gapless and in commit order. Nothing that a crash could still take back is
/// ever shown by it.
#[tonic::async_trait]
pub trait Log: Send + Sync + 'static {
    /// Whose log.
    fn service(&self) -> &str;

    /// Which history: random, new with every store.
    fn epoch(&self) -> &str;

    /// The names of the published entities.
    fn entities(&self) -> &'static [&'static str];

    /// The durable head; also a wake-up.
    fn head(&self) -> watch::Receiver<Mark>;

    /// The first position after which the feed can be resumed.
    async fn oldest(&self) -> Result<Mark, Fault>;

    /// The digest at a position that is still kept, `oldest` included.
    async fn digest(&self, sequence: u64) -> Result<Option<u64>, Fault>;

    /// The changes behind `after`: whole commands, about `max_bytes` of them, at least one command if
    /// there is any. [`Reason::PositionExpired`](crate::fault::Reason::PositionExpired) below `oldest`.
    async fn page(&self, after: u64, max_bytes: usize) -> Result<Vec<Record>, Fault>;

    /// Rows of a snapshot in order of their key, behind `after_key`: each as its last change left it,
    /// with that change's sequence.
    async fn scan(
        &self,
        entity: &str,
        after_key: Option<&str>,
        limit: usize,
    ) -> Result<Vec<proto::Change>, Fault>;
}

/// The digest of the history that ends with `change`, as feed.proto defines it: first 8 bytes of SHA-256
/// over the digest before and what makes the change.
pub fn digest(previous: u64, change: &proto::Change) -> u64 {
    let mut hash = Sha256::new();
    hash.update(previous.to_be_bytes());
    hash.update(change.sequence.to_be_bytes());
    delimited(&mut hash, change.entity.as_bytes());
    delimited(&mut hash, change.key.as_bytes());
    hash.update(change.operation.to_be_bytes());
    delimited(&mut hash, change.value.as_ref().map_or(&[], |any| any.value.as_slice()));
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// When a change was committed, in microseconds since 1970, where that is told.
pub fn commit_micros(change: &proto::Change) -> Option<i64> {
    change.commit_time.as_ref().and_then(timestamp::from_proto).map(timestamp::micros)
}

/// With its length in front, so that no two lists of parts hash alike. A command is far below 4 GiB.
fn delimited(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u32).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: u64 = 0xf9fd_136f_9b74_b456;

    fn change() -> proto::Change {
        proto::Change {
            sequence: 7,
            entity: "accounts".to_owned(),
            key: "a".to_owned(),
            operation: proto::Operation::Upsert.into(),
            value: Some(prost_types::Any { type_url: "t".to_owned(), value: vec![1, 2, 3] }),
            ..Default::default()
        }
    }

    /// Computed once with another implementation (Python's hashlib): stored digests must never change.
    #[test]
    fn the_digest_is_a_stored_contract() {
        assert_eq!(digest(0x0102_0304_0506_0708, &change()), DIGEST);
    }

    #[test]
    fn every_part_counts() {
        let mut others = vec![change(); 5];
        others[0].sequence = 8;
        others[1].entity = "account".to_owned();
        others[2].key = "sa".to_owned();
        others[3].operation = proto::Operation::Delete.into();
        others[4].value = None;
        assert!(others.iter().all(|other| digest(1, other) != digest(1, &change())));
        assert_ne!(digest(1, &change()), digest(2, &change()));
    }
}
