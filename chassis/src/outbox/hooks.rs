//! The only places where a test can reach into the writer. In a build that is not a test there is nothing
//! to reach: every hook is a constant, and the compiler drops it.

/// A defect that the conformance suite must find, on every store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "switched on by tests alone"))]
pub(super) enum Mutant {
    /// A position is drawn from a counter that no rollback and no rejection turns back.
    SequenceBeforeTransaction,
    /// Callers are answered before their group is durable.
    ReplyBeforeSync,
    /// The feed's head moves before the group is durable.
    FeedPastDurable,
    /// Replies are stored in a transaction of their own, after that of their effects.
    RequestIdApart,
    /// On PostgreSQL positions are drawn from a sequence of the database, and nothing is locked.
    PlainSequence,
    /// Followed positions are stored in a transaction of their own, after that of their effects.
    PositionApart,
}

/// A point between two steps of a group, at which a crash can be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The transaction has begun and has been read in; nothing is written.
    Begun,
    /// The group is written, not durable.
    Applied,
    /// The group is durable; nobody knows.
    Synced,
    /// The head has moved; no caller was answered.
    Published,
    /// Every caller was answered.
    Answered,
}

/// The writer ends at once, as if the process had died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crash;

#[cfg(not(test))]
pub(super) use inert::Hooks;

#[cfg(test)]
pub(super) use super::conformance::hooks::Hooks;

#[cfg(not(test))]
mod inert {
    use opentelemetry::{global, metrics::Meter};

    use super::{Crash, Mutant, Step};
    use crate::{outbox::store::BoxError, telemetry::SCOPE};

    /// Nothing to reach.
    #[derive(Clone, Debug)]
    pub(in crate::outbox) struct Hooks;

    impl Hooks {
        /// The only ones there are.
        pub(in crate::outbox) const fn none() -> Self {
            Self
        }

        /// What is measured is told to it.
        pub(in crate::outbox) fn meter(&self) -> Meter {
            global::meter(SCOPE)
        }

        /// Whether a defect is switched on.
        pub(in crate::outbox) const fn mutant(&self, _: Mutant) -> bool {
            false
        }

        /// The position behind which the next command's changes go.
        pub(in crate::outbox) const fn sequence(&self, head: u64) -> u64 {
            head
        }

        /// Between two steps.
        pub(in crate::outbox) const fn reach(&self, _: Step) -> Result<(), Crash> {
            Ok(())
        }

        /// Before a group is made durable.
        pub(in crate::outbox) const fn before_sync(&self) -> Result<(), BoxError> {
            Ok(())
        }

        /// After a group was made durable.
        pub(in crate::outbox) const fn after_sync(&self) -> Result<(), BoxError> {
            Ok(())
        }

        /// After a store was opened, and before it serves.
        pub(in crate::outbox) const fn opened(&self) -> Result<(), BoxError> {
            Ok(())
        }

        /// Before a group of so many commands is applied.
        pub(in crate::outbox) const fn apply(&self, _: usize) -> Result<(), BoxError> {
            Ok(())
        }

        /// Whether sled may write when nobody asked it to.
        pub(in crate::outbox) const fn background_flush(&self) -> bool {
            true
        }
    }
}
