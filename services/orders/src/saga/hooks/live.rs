//! Hooks that tests can reach: defects that the suite must find, and failures of the own store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::WriteFault;
use crate::domain::{
    CancelCause, Cancellation, Order,
    saga::{Answer, Step},
};

/// A defect that the suite must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Each attempt at a step has a request id of its own.
    FreshRequestId,
    /// A step that got no answer is taken as refused.
    GuessedOutcome,
}

/// By order and step.
type Writes = dyn Fn(&str, &'static str) -> WriteFault + Send + Sync;

/// Clones share what is planned.
#[derive(Clone, Default)]
pub struct Hooks {
    mutant: Option<Mutant>,
    attempts: Arc<AtomicU64>,
    writes: Option<Arc<Writes>>,
}

impl Hooks {
    /// Nothing is to go wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// With a defect.
    pub fn mutant(mutant: Option<Mutant>) -> Self {
        Self { mutant, ..Self::default() }
    }

    /// Asks `writes` before each write of an order's own row, with the order and the step.
    #[must_use]
    pub fn on_write(self, writes: impl Fn(&str, &'static str) -> WriteFault + Send + Sync + 'static) -> Self {
        Self { writes: Some(Arc::new(writes)), ..self }
    }

    pub(crate) fn request_id(&self, derived: String) -> String {
        match self.mutant {
            Some(Mutant::FreshRequestId) => format!("fresh-{}", self.attempts.fetch_add(1, Ordering::SeqCst)),
            _ => derived,
        }
    }

    pub(crate) fn guess(&self, order: &Order, step: &Step) -> Option<Step> {
        if self.mutant != Some(Mutant::GuessedOutcome) {
            return None;
        }
        let refused = Cancellation { cause: CancelCause::PaymentDeclined, reason: "guessed".to_owned() };
        match step {
            Step::Reserve | Step::Authorize { .. } | Step::Commit | Step::Capture => {
                Some(Step::GiveUp(refused))
            }
            // Nothing to be undone, then.
            Step::Void => Step::Void.next(order, &Answer::Voided),
            Step::Refund => Step::Refund.next(order, &Answer::Refunded),
            Step::Release => Step::Release.next(order, &Answer::Released),
            Step::Confirm | Step::GiveUp(_) | Step::Finish => None,
        }
    }

    pub(crate) fn write(&self, order_id: &str, step: &'static str) -> WriteFault {
        self.writes.as_ref().map_or(WriteFault::None, |writes| writes(order_id, step))
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("mutant", &self.mutant).finish_non_exhaustive()
    }
}
