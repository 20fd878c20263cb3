//! How long it takes to take changes into a version of a view, since the gateway started.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Of what ran for one base table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timing {
    /// How often it ran.
    pub(crate) runs: u64,
    /// Changed rows of the table that were taken in; one that was replaced is two.
    pub(crate) changes: u64,
    /// Of all runs together.
    pub(crate) total: Duration,
    /// Of the longest.
    pub(crate) longest: Duration,
}

/// By base table; clones share them, since what ran has run, whatever becomes of its transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timings(Arc<Mutex<BTreeMap<String, Timing>>>);

impl Timings {
    /// What ran for some changes of a table took so long.
    pub(super) fn ran(&self, table: &str, changes: u64, took: Duration) {
        let mut timings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !timings.contains_key(table) {
            timings.insert(table.to_owned(), Timing::default());
        }
        if let Some(timing) = timings.get_mut(table) {
            timing.runs += 1;
            timing.changes += changes;
            timing.total += took;
            timing.longest = timing.longest.max(took);
        }
    }

    /// Of what runs for a table.
    pub(crate) fn of(&self, table: &str) -> Timing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(table).copied().unwrap_or_default()
    }
}
