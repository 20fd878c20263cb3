//! Why a command is not done.

use std::time::Duration;

use tributary_chassis::{
    fault::{Fault, Reason},
    resource::Refusal,
};

use crate::domain::{Operation, State};

/// When it is worth to ask again for what the processor has not answered.
const RETRY: Duration = Duration::from_millis(200);

/// Why a command is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// As with every resource.
    #[error(transparent)]
    Resource(#[from] Refusal),
    /// The payment's state does not allow it.
    #[error("payment `{payment_id}` is {state}: {operation} is not possible")]
    WrongState {
        /// Which.
        payment_id: String,
        /// What was wanted.
        operation: Operation,
        /// What it is.
        state: State,
    },
    /// The processor refuses what the state would allow.
    #[error("the processor declines to {operation} payment `{payment_id}`, which stays {state}: {code}")]
    Declined {
        /// Which.
        payment_id: String,
        /// What was wanted.
        operation: Operation,
        /// What it is.
        state: State,
        /// The processor's word for why.
        code: String,
    },
    /// What was wanted is not begun before the processor has answered something else.
    #[error("payment `{payment_id}` waits for the processor to answer to {operation}: try again")]
    Blocked {
        /// Which.
        payment_id: String,
        /// What was asked of the processor.
        operation: Operation,
    },
    /// It is not known whether the processor did it.
    #[error(
        "the processor has not answered to {operation} of payment `{payment_id}`: ask again under the same request_id"
    )]
    Unanswered {
        /// Which.
        payment_id: String,
        /// What was asked of the processor.
        operation: Operation,
    },
    /// The processor cannot be asked; it did nothing.
    #[error("the processor cannot be asked to {operation} payment `{payment_id}` now: try again")]
    Unreachable {
        /// Which.
        payment_id: String,
        /// What was to be asked of the processor.
        operation: Operation,
    },
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let message = rejection.to_string();
        let fault = |reason| Fault::new(reason, message);
        match rejection {
            Rejection::Resource(refusal) => refusal.into(),
            Rejection::WrongState { state, .. } => fault(Reason::WrongState).with("cause", state.name()),
            Rejection::Declined { state, code, .. } => {
                fault(Reason::WrongState).with("cause", state.name()).with("decline_code", code)
            }
            Rejection::Blocked { operation, .. } | Rejection::Unreachable { operation, .. } => {
                fault(Reason::Unavailable).with("operation", operation.name()).retry_after(RETRY)
            }
            Rejection::Unanswered { operation, .. } => {
                fault(Reason::OutcomeUnknown).with("operation", operation.name()).retry_after(RETRY)
            }
        }
    }
}
