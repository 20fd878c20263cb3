//! Which orders are being worked on, and which wait for their next attempt. No clock and no task: the runner
//! asks what to do and tells what happened.
//!
//! Only those that are being worked on take a place; one whose partner is away waits without. So however many
//! orders get no answer, the others go on.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::saga::Step;

/// First pause; doubled with each attempt that gets no further.
const MIN_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause, before up to as much again at random.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Orders whose attempts are remembered. What is beyond is found again by the sweep, and begins anew.
const MAX_WAITING: usize = 100_000;

/// Orders by what is happening to them.
#[derive(Debug)]
pub(super) struct Schedule {
    places: usize,
    working: HashMap<String, Working>,
    waiting: HashMap<String, Waiting>,
    /// The same as `waiting`, by time.
    due: BTreeSet<(Instant, String)>,
}

/// An order that is being worked on.
#[derive(Debug)]
struct Working {
    /// Attempts before this one that got no further.
    attempts: u32,
    /// It was written meanwhile: what was read of it may be out of date.
    written: bool,
}

/// An order that waits for its next attempt.
#[derive(Debug)]
struct Waiting {
    until: Instant,
    attempts: u32,
    step: Step,
}

/// An order to be worked on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Which.
    pub order_id: String,
    /// With which step to go on, if not from the first.
    pub step: Option<Step>,
}

/// How work on an order ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is nothing to be done until somebody writes it.
    Rests,
    /// A step got no answer.
    Unanswered {
        /// To be repeated; `None` if not even the order could be read.
        step: Option<Step>,
        /// Whether a step before it was answered.
        progress: bool,
    },
}

impl Schedule {
    /// With room for so many orders at once.
    pub(super) fn new(places: usize) -> Self {
        Self { places, working: HashMap::new(), waiting: HashMap::new(), due: BTreeSet::new() }
    }

    /// Whether one more can be worked on.
    pub(super) fn has_room(&self) -> bool {
        self.working.len() < self.places
    }

    /// The order was written: works on it now, or once more if it is being worked on.
    pub(super) fn written(&mut self, order_id: String) -> Option<Start> {
        if let Some(working) = self.working.get_mut(&order_id) {
            working.written = true;
            return None;
        }
        Some(self.start(order_id))
    }

    /// The order was found unfinished: works on it, unless that is known.
    pub(super) fn found(&mut self, order_id: String) -> Option<Start> {
        let known = self.working.contains_key(&order_id) || self.waiting.contains_key(&order_id);
        (!known).then(|| self.start(order_id))
    }

    /// When the next attempt is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(until, _)| *until)
    }

    /// An order whose next attempt is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Start> {
        let (until, order_id) = self.due.first()?;
        if *until > now {
            return None;
        }
        let order_id = order_id.clone();
        Some(self.start(order_id))
    }

    /// Work on the order ended; says whether it begins again at once. `jitter` is from 0 to 1.
    pub(super) fn ended(&mut self, order_id: String, end: End, now: Instant, jitter: f64) -> Option<Start> {
        let Working { attempts, written } = self.working.remove(&order_id)?;
        let (step, attempts) = match end {
            End::Rests => (None, 0),
            End::Unanswered { step, progress } => (step, if progress { 1 } else { attempts + 1 }),
        };
        if written {
            self.working.insert(order_id.clone(), Working { attempts, written: false });
            return Some(Start { order_id, step });
        }
        // Without a step there is nothing to come back to: the sweep finds the order if it is unfinished.
        let step = step.filter(|_| self.waiting.len() < MAX_WAITING)?;
        let until = now + pause(attempts, jitter);
        self.due.insert((until, order_id.clone()));
        self.waiting.insert(order_id, Waiting { until, attempts, step });
        None
    }

    fn start(&mut self, order_id: String) -> Start {
        let waiting = self.waiting.remove(&order_id);
        if let Some(waiting) = &waiting {
            self.due.remove(&(waiting.until, order_id.clone()));
        }
        let attempts = waiting.as_ref().map_or(0, |waiting| waiting.attempts);
        self.working.insert(order_id.clone(), Working { attempts, written: false });
        Start { order_id, step: waiting.map(|waiting| waiting.step) }
    }
}

/// Before the next attempt, after so many.
fn pause(attempts: u32, jitter: f64) -> Duration {
    let doubled = MIN_PAUSE.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(MAX_PAUSE).mul_f64(1.0 + jitter)
}

#[cfg(test)]
mod tests;
