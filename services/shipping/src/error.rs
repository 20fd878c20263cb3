//! Why a command is not done.

use tributary_chassis::{
    fault::{Fault, Reason},
    resource::Refusal,
};

/// Why a command is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// As with every resource.
    #[error(transparent)]
    Resource(#[from] Refusal),
    /// A shipment goes its way in one direction.
    #[error("shipment `{shipment_id}` is {state}: only one that is {needed} can be {wanted}")]
    WrongState {
        /// Which.
        shipment_id: String,
        /// In which it is.
        state: &'static str,
        /// In which it would have to be.
        needed: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let message = rejection.to_string();
        match rejection {
            Rejection::Resource(refusal) => refusal.into(),
            Rejection::WrongState { state, .. } => {
                Fault::new(Reason::WrongState, message).with("state", state)
            }
        }
    }
}
