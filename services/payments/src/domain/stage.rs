//! How far a payment is: what callers may do to it, and what the processor's answers make of it.

use std::fmt;

/// What the processor can be asked to do with a payment, each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Set the amount aside.
    Authorize,
    /// Take what was set aside.
    Capture,
    /// Give up what was set aside.
    Void,
    /// Give back what was taken.
    Refund,
}

impl Operation {
    /// Every operation.
    pub(crate) const ALL: [Self; 4] = [Self::Authorize, Self::Capture, Self::Void, Self::Refund];

    /// As it is kept, and a part of the idempotency key.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }

    /// The stage of a payment of which this was asked, and not answered yet.
    pub(crate) fn asked(self) -> Stage {
        match self {
            Self::Authorize => Stage::Pending,
            Self::Capture => Stage::Capturing,
            Self::Void => Stage::Voiding,
            Self::Refund => Stage::Refunding,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the processor says of an operation; under one idempotency key it always says the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done.
    Approved,
    /// It is not done, and will not be.
    Declined {
        /// The processor's word for why.
        code: String,
    },
}

/// How far a payment is. `Pending`, `Capturing`, `Voiding` and `Refunding` are intents: written down
/// before the processor hears of them, and left by its answer alone, however late that is known.
///
/// ```text
/// Pending    => (Authorized | Declined)
/// Authorized => (Capturing | Voiding)
/// Capturing  => (Captured | Authorized)
/// Voiding    => (Voided | Authorized)
/// Captured   => Refunding
/// Refunding  => (Refunded | Captured)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The processor was asked for the authorization.
    Pending,
    /// The amount is set aside.
    Authorized,
    /// Final: nothing was set aside.
    Declined {
        /// The processor's word for why.
        code: String,
    },
    /// Authorized, and the processor was asked to take the amount.
    Capturing,
    /// The amount is taken.
    Captured,
    /// Authorized, and the processor was asked to give the amount up.
    Voiding,
    /// Final: the amount is given up.
    Voided,
    /// Captured, and the processor was asked to give the amount back.
    Refunding,
    /// Final: the amount is given back.
    Refunded,
}

/// What others are told of a stage: an intent is not an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// See [`Stage::Pending`].
    Pending,
    /// See [`Stage::Authorized`].
    Authorized,
    /// See [`Stage::Declined`].
    Declined,
    /// See [`Stage::Captured`].
    Captured,
    /// See [`Stage::Voided`].
    Voided,
    /// See [`Stage::Refunded`].
    Refunded,
}

impl State {
    /// As it is kept and as callers know it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Authorized => "AUTHORIZED",
            Self::Declined => "DECLINED",
            Self::Captured => "CAPTURED",
            Self::Voided => "VOIDED",
            Self::Refunded => "REFUNDED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an operation that a caller wants meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The processor may be asked.
    Open,
    /// It was asked, and has not answered yet.
    Asked,
    /// There is nothing to do: it was done before, or is not needed.
    Done,
    /// Another operation has to be answered first.
    Blocked(Operation),
    /// It cannot be done.
    Closed,
}

impl Stage {
    /// What others are told.
    pub(crate) fn state(&self) -> State {
        match self {
            Stage::Pending => State::Pending,
            Stage::Authorized | Stage::Capturing | Stage::Voiding => State::Authorized,
            Stage::Declined { .. } => State::Declined,
            Stage::Captured | Stage::Refunding => State::Captured,
            Stage::Voided => State::Voided,
            Stage::Refunded => State::Refunded,
        }
    }

    /// What the processor was asked for and is not known to have answered.
    pub(crate) fn unanswered(&self) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.asked() == *self)
    }

    /// Whether an operation may begin.
    pub(crate) fn admit(&self, operation: Operation) -> Admission {
        use Operation::{Authorize, Capture, Refund, Void};
        match (operation, self) {
            (Authorize, Stage::Pending)
            | (Capture, Stage::Capturing)
            | (Void, Stage::Voiding)
            | (Refund, Stage::Refunding) => Admission::Asked,
            (Capture | Void, Stage::Authorized) | (Refund, Stage::Captured) => Admission::Open,
            // Behind an authorization that was answered, whatever became of it.
            (Authorize, _)
            | (Capture, Stage::Captured | Stage::Refunding)
            | (Void, Stage::Voided | Stage::Declined { .. })
            | (Refund, Stage::Refunded) => Admission::Done,
            (_, Stage::Pending) => Admission::Blocked(Authorize),
            (_, Stage::Capturing) => Admission::Blocked(Capture),
            (_, Stage::Voiding) => Admission::Blocked(Void),
            // What is captured is never voided, also while it is not known whether it is refunded.
            (
                Capture | Void | Refund,
                Stage::Authorized
                | Stage::Declined { .. }
                | Stage::Captured
                | Stage::Voided
                | Stage::Refunding
                | Stage::Refunded,
            ) => Admission::Closed,
        }
    }

    /// What the processor's answer to `operation` makes of a payment; `None` if nothing waits for it, as
    /// when somebody else was told the same before.
    pub(crate) fn answered(&self, operation: Operation, answer: &Answer) -> Option<Stage> {
        use Answer::{Approved, Declined};
        if self.unanswered() != Some(operation) {
            return None;
        }
        Some(match (operation, answer) {
            (Operation::Authorize, Approved) => Stage::Authorized,
            (Operation::Authorize, Declined { code }) => Stage::Declined { code: code.clone() },
            (Operation::Capture, Approved) => Stage::Captured,
            (Operation::Void, Approved) => Stage::Voided,
            (Operation::Refund, Approved) => Stage::Refunded,
            // As before it was asked.
            (Operation::Capture | Operation::Void, Declined { .. }) => Stage::Authorized,
            (Operation::Refund, Declined { .. }) => Stage::Captured,
        })
    }

    /// What happened to a payment that has come here.
    pub(crate) fn event(&self) -> &'static str {
        match self {
            Stage::Pending => "PaymentPending",
            Stage::Authorized => "PaymentAuthorized",
            Stage::Declined { .. } => "PaymentDeclined",
            Stage::Capturing => "PaymentCapturing",
            Stage::Captured => "PaymentCaptured",
            Stage::Voiding => "PaymentVoiding",
            Stage::Voided => "PaymentVoided",
            Stage::Refunding => "PaymentRefunding",
            Stage::Refunded => "PaymentRefunded",
        }
    }
}
