//! Decides whether a subscriber may start where it asks to.

use std::{collections::BTreeSet, fmt};

use sha2::{Digest as _, Sha256};
use tributary_proto::feed::v1::{self as proto, subscribe_request::Start};

use super::{Log, Mark};
use crate::fault::{Fault, Reason};

/// Frames are never larger, but for a single command or row that is.
pub(super) const MAX_FRAME_BYTES: usize = 1 << 20;

/// A consumer's name is for logs; this is room enough.
const MAX_CONSUMER_BYTES: usize = 128;

/// A subscription that was let in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Admitted {
    pub(super) begin: Begin,
    pub(super) selection: Selection,
    pub(super) max_frame_bytes: usize,
    pub(super) consumer: String,
}

/// With what a subscription begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Begin {
    /// The changes behind a position.
    After(Mark),
    /// The rows, then the changes behind `low`.
    Snapshot {
        low: Mark,
        id: String,
        /// Entity and key of the last row that the subscriber has.
        behind: Option<(String, String)>,
    },
}

/// For the log, and so without the key, in which the subscriber may say what it likes.
impl fmt::Display for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Begin::After(mark) => write!(f, "after {}", mark.sequence),
            Begin::Snapshot { low, behind: None, .. } => write!(f, "snapshot from {}", low.sequence),
            Begin::Snapshot { low, behind: Some((entity, _)), .. } => {
                write!(f, "snapshot from {}, resumed within {entity}", low.sequence)
            }
        }
    }
}

/// Which entities a subscriber asked for; all when empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selection(BTreeSet<String>);

impl Selection {
    pub(super) fn contains(&self, entity: &str) -> bool {
        self.0.is_empty() || self.0.contains(entity)
    }
}

/// Checks a request against the log as it is now.
pub(super) async fn admit(log: &dyn Log, request: proto::SubscribeRequest) -> Result<Admitted, Fault> {
    let selection = select(log, request.entities)?;
    if request.consumer.len() > MAX_CONSUMER_BYTES {
        return Err(Fault::field("consumer", format!("must have at most {MAX_CONSUMER_BYTES} bytes")));
    }
    let begin = match request.start {
        None => return Err(Fault::field("start", "set one of after, snapshot, resume_snapshot")),
        Some(Start::After(position)) => Begin::After(confirm(log, "after", &position).await?),
        Some(Start::Snapshot(_)) => {
            let low = *log.head().borrow();
            Begin::Snapshot { id: snapshot_id(log, low, &selection), low, behind: None }
        }
        Some(Start::ResumeSnapshot(cursor)) => resume(log, &selection, cursor).await?,
    };
    let max_frame_bytes = match request.max_frame_bytes as usize {
        0 => MAX_FRAME_BYTES,
        wanted => wanted.min(MAX_FRAME_BYTES),
    };
    Ok(Admitted { begin, selection, max_frame_bytes, consumer: request.consumer })
}

fn select(log: &dyn Log, entities: Vec<String>) -> Result<Selection, Fault> {
    let unknown: Vec<_> = entities
        .iter()
        .enumerate()
        .filter(|(_, entity)| !log.entities().contains(&entity.as_str()))
        .map(|(i, entity)| {
            let published = log.entities().join(", ");
            let why = format!("{} publishes no `{entity}`; it publishes {published}", log.service());
            (format!("entities[{i}]"), why)
        })
        .collect();
    if unknown.is_empty() {
        Ok(Selection(entities.into_iter().collect()))
    } else {
        Err(Fault::fields(unknown))
    }
}

/// Whether `position` is a place in this history from which it can still be read.
///
/// A sequence alone proves nothing: a store that was restored from a backup and written since has other
/// changes under the same numbers. The digest tells them apart.
async fn confirm(log: &dyn Log, field: &str, position: &proto::Position) -> Result<Mark, Fault> {
    is_ours(log, field, position)?;
    let proto::Position { sequence, digest, .. } = position;
    let head = *log.head().borrow();
    let oldest = log.oldest().await?;
    if *sequence < oldest.sequence {
        return Err(expired(log, oldest, *sequence));
    }
    // Not the head but the log decides: a page may have been ahead of what the head says as yet.
    match log.digest(*sequence).await? {
        Some(kept) if kept == *digest => Ok(Mark { sequence: *sequence, digest: *digest }),
        Some(_) => Err(diverged(log, head, format!("change {sequence} is another one here"))),
        None if *sequence > head.sequence => Err(ahead(log, head, *sequence)),
        // Removed since `oldest` was read.
        None => Err(expired(log, log.oldest().await?, *sequence)),
    }
}

/// Through where a consumer says that it is: a place in this history, whether it is still kept or not.
pub(super) async fn reached(log: &dyn Log, through: Option<proto::Position>) -> Result<u64, Fault> {
    let through = through.ok_or_else(|| Fault::field("through", "must be set"))?;
    is_ours(log, "through", &through)?;
    let head = *log.head().borrow();
    // A page may have been ahead of what the head says as yet.
    if through.sequence > head.sequence && log.digest(through.sequence).await?.is_none() {
        return Err(ahead(log, head, through.sequence));
    }
    Ok(through.sequence)
}

/// Whether `position` is one of this service and of this store.
fn is_ours(log: &dyn Log, field: &str, position: &proto::Position) -> Result<(), Fault> {
    let proto::Position { service, epoch, .. } = position;
    if service != log.service() {
        // Not HISTORY_DIVERGED: a snapshot of another service is no remedy.
        let why = format!("is a position of `{service}`, this is the feed of `{}`", log.service());
        return Err(Fault::field(format!("{field}.service"), why));
    }
    if epoch.is_empty() {
        return Err(Fault::field(format!("{field}.epoch"), "must be set, as received"));
    }
    if epoch != log.epoch() {
        let head = *log.head().borrow();
        return Err(diverged(log, head, format!("epoch {epoch} is another store's")));
    }
    Ok(())
}

/// Nothing about a snapshot is kept here: its cursor says it all, and its id that it was ours.
async fn resume(log: &dyn Log, selection: &Selection, cursor: proto::SnapshotCursor) -> Result<Begin, Fault> {
    let Some(low) = &cursor.low else {
        return Err(Fault::field("resume_snapshot.low", "must be set, as received"));
    };
    if !log.entities().contains(&cursor.entity.as_str()) || !selection.contains(&cursor.entity) {
        let why = format!("`{}` is not among the entities of this snapshot", cursor.entity);
        return Err(Fault::field("resume_snapshot.entity", why));
    }
    let low = match confirm(log, "resume_snapshot.low", low).await {
        Ok(low) => low,
        Err(fault) if fault.reason() == Reason::HistoryDiverged => return Err(forgotten(log)),
        Err(fault) => return Err(fault),
    };
    if cursor.id != snapshot_id(log, low, selection) {
        return Err(forgotten(log));
    }
    Ok(Begin::Snapshot { low, id: cursor.id, behind: Some((cursor.entity, cursor.key)) })
}

/// Two snapshots with the same id would have the same rows or newer ones, so a cursor of one resumes the
/// other.
fn snapshot_id(log: &dyn Log, low: Mark, selection: &Selection) -> String {
    let mut hash = Sha256::new();
    for part in [log.service(), log.epoch()].into_iter().chain(selection.0.iter().map(String::as_str)) {
        hash.update(part);
        // No name has a zero byte in it.
        hash.update([0]);
    }
    hash.update(low.sequence.to_be_bytes());
    hash.update(low.digest.to_be_bytes());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn ahead(log: &dyn Log, head: Mark, sequence: u64) -> Fault {
    diverged(log, head, format!("{sequence} is ahead of all that was ever written here"))
}

fn diverged(log: &dyn Log, head: Mark, why: String) -> Fault {
    let message = format!(
        "the position is not part of the history of {}: {why}; take a snapshot to accept the history \
         that is here",
        log.service()
    );
    Fault::new(Reason::HistoryDiverged, message)
        .with("epoch", log.epoch())
        .with("head", text(log, head.sequence))
}

/// Also what a subscriber gets that falls behind while it is connected.
pub(super) fn expired(log: &dyn Log, oldest: Mark, sequence: u64) -> Fault {
    let oldest = text(log, oldest.sequence);
    let message =
        format!("the changes behind {sequence} are gone, the oldest position is {oldest}; take a snapshot");
    Fault::new(Reason::PositionExpired, message).with("oldest", oldest)
}

fn forgotten(log: &dyn Log) -> Fault {
    let message = format!("{} does not know this snapshot any more; take a new one", log.service());
    Fault::new(Reason::PositionExpired, message)
}

/// A position as people write it.
pub(super) fn text(log: &dyn Log, sequence: u64) -> String {
    format!("{}/{}/{sequence}", log.service(), log.epoch())
}
