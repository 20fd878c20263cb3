//! A consumer in memory, for tests: does with events what the contract asks of a consumer, and nothing
//! more.

use std::collections::BTreeMap;

use tributary_proto::feed::v1::{Change, Operation, Position};

use super::{Event, memory::RowKey};

#[derive(Default)]
pub(super) struct Replica {
    pub(super) rows: BTreeMap<RowKey, Change>,
    /// Rows of a snapshot that did not end yet.
    staging: BTreeMap<RowKey, Change>,
    low: Option<Position>,
    /// Through where it has everything.
    pub(super) at: Option<Position>,
    /// Below this, rows may be ahead of their neighbours.
    pub(super) exact_from: u64,
    pub(super) snapshots: usize,
    /// Every change that was received since the last snapshot.
    pub(super) changes: Vec<Change>,
}

/// One that has everything up to there, which is nothing.
impl From<Position> for Replica {
    fn from(origin: Position) -> Self {
        Self { at: Some(origin), ..Self::default() }
    }
}

impl Replica {
    pub(super) fn sequence(&self) -> Option<u64> {
        self.at.as_ref().map(|at| at.sequence)
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::SnapshotBegin { low } => {
                self.staging.clear();
                self.low = Some(low);
                self.at = None;
                self.snapshots += 1;
            }
            Event::SnapshotRows(rows) => rows.into_iter().for_each(|row| put(&mut self.staging, row)),
            Event::SnapshotEnd { high } => {
                self.rows = std::mem::take(&mut self.staging);
                self.at = self.low.take();
                self.exact_from = high.sequence;
                self.changes.clear();
            }
            Event::Changes { after, through, changes } => {
                assert_eq!(self.at.as_ref(), Some(&after), "changes lead on from where the consumer is");
                for change in &changes {
                    put(&mut self.rows, change.clone());
                }
                self.changes.extend(changes);
                self.at = Some(through);
            }
            Event::Stopped { reason, message } => panic!("stopped, {reason:?}: {message}"),
            Event::Described(_) | Event::Progress { .. } | Event::Disconnected { .. } => {}
        }
    }
}

/// The row guard: what is not newer than the row that is there has been seen.
fn put(rows: &mut BTreeMap<RowKey, Change>, change: Change) {
    let key = (change.entity.clone(), change.key.clone());
    if rows.get(&key).is_some_and(|row| row.sequence >= change.sequence) {
        return;
    }
    match change.operation() {
        Operation::Delete => rows.remove(&key),
        _ => rows.insert(key, change),
    };
}
