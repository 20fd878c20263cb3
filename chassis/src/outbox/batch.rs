//! What a group writes, and what it may remove.

use std::time::Duration;

use time::OffsetDateTime;
use tributary_proto::feed::v1::Position;

use super::{
    model::Model,
    store::{Reply, StateWrite},
};
use crate::feed::{Mark, Record};

/// What stays the same from group to group.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) service: String,
    pub(super) epoch: String,
    pub(super) feed_retain: u64,
    pub(super) request_retention: Duration,
}

/// What a group writes, all of it in one transaction.
#[derive(Debug)]
pub(super) struct Batch<M: Model> {
    /// When it is committed.
    pub(super) now: OffsetDateTime,
    /// After the group.
    pub(super) head: Mark,
    /// Gapless, up to `head`.
    pub(super) records: Vec<Record>,
    /// The last of each key.
    pub(super) writes: Vec<StateWrite<M>>,
    pub(super) replies: Vec<(String, Reply)>,
    /// Through where each of these sources is followed now.
    pub(super) followed: Vec<(String, Position)>,
    /// Changes behind the first up to the second, and no others, may go, as whole commands.
    pub(super) prune: Option<(u64, u64)>,
    /// Replies committed before (microseconds) may go; at most so many.
    pub(super) forget: (i64, usize),
}

impl<M: Model> Batch<M> {
    /// Writes nothing at this head.
    pub(super) fn empty(now: OffsetDateTime, head: Mark) -> Self {
        Self {
            now,
            head,
            records: Vec::new(),
            writes: Vec::new(),
            replies: Vec::new(),
            followed: Vec::new(),
            prune: None,
            forget: (i64::MIN, 0),
        }
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.writes.is_empty()
            && self.replies.is_empty()
            && self.followed.is_empty()
    }
}

/// The least that a group may prune, in rows: what keeps up with writers of single changes.
pub(super) const PRUNE_CHUNK: usize = 1_000;

/// Which changes may go. Waits for some excess, so that small groups do not each prune a single row, and
/// goes at twice the pace of the writers, so that it catches up in bounded steps.
pub(super) fn prune(oldest: u64, head: u64, retain: u64, added: usize) -> Option<(u64, u64)> {
    let kept = head - oldest;
    let step = (2 * added).max(PRUNE_CHUNK) as u64;
    (kept > retain.saturating_add(retain / 16)).then(|| (oldest, (head - retain).min(oldest + step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pruning_waits_for_excess_and_goes_in_steps() {
        assert_eq!(prune(0, 100, 100, 1), None);
        assert_eq!(prune(0, 106, 100, 1), None);
        assert_eq!(prune(0, 107, 100, 1), Some((0, 7)));
        assert_eq!(prune(7, 107, 100, 1), None);
        assert_eq!(prune(0, 1_000_000, 100, 1), Some((0, 1_000)));
        assert_eq!(prune(5, 1_000_000, 100, 900), Some((5, 1_805)));
        assert_eq!(prune(3, 9, 0, 6), Some((3, 9)));
        assert_eq!(prune(9, 9, 0, 0), None);
        assert_eq!(prune(0, 9, u64::MAX, 9), None);
    }
}
