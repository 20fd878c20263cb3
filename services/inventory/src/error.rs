//! Why a command is not done.

use tributary_chassis::{
    fault::{Fault, Reason},
    resource::Refusal,
};

use crate::domain::MAX_ON_HAND;

/// How many skus are named: an error travels in headers, which are bounded.
const NAMED: usize = 10;

/// Why a command is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// As with every resource.
    #[error(transparent)]
    Resource(#[from] Refusal),
    /// All lines are held, or none.
    #[error("there is not enough of {} for reservation `{reservation_id}`", named(skus))]
    OutOfStock {
        /// Which.
        reservation_id: String,
        /// Of which there is not enough, in order: at least one.
        skus: Vec<String>,
    },
    /// RELEASED is final.
    #[error("reservation `{reservation_id}` was released, which is final: choose another id")]
    Released {
        /// Which.
        reservation_id: String,
    },
    /// The lines of a reservation never change.
    #[error("reservation `{reservation_id}` exists already with other lines: choose another id")]
    OtherLines {
        /// Which.
        reservation_id: String,
    },
    /// What is reserved must stay on hand.
    #[error("{reserved} of stock item `{sku}` are reserved, which must stay on hand")]
    Reserved {
        /// Which.
        sku: String,
        /// How much.
        reserved: i64,
    },
    /// More than can be counted.
    #[error("{on_hand} of stock item `{sku}` are on hand already, and at most {MAX_ON_HAND} can be")]
    TooMany {
        /// Which.
        sku: String,
        /// How much.
        on_hand: i64,
    },
    /// The reservation was made after it was looked for. What it claims never changes from then on, so
    /// that who looks again sees it.
    #[error("reservation `{reservation_id}` was made just now: try again")]
    Outrun {
        /// Which.
        reservation_id: String,
    },
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let message = rejection.to_string();
        let wrong_state = |cause: &str| Fault::new(Reason::WrongState, message.clone()).with("cause", cause);
        match rejection {
            Rejection::Resource(refusal) => refusal.into(),
            Rejection::OutOfStock { skus, .. } => {
                wrong_state("OUT_OF_STOCK").with("skus", skus[..skus.len().min(NAMED)].join(","))
            }
            Rejection::Released { .. } => wrong_state("RELEASED"),
            Rejection::Reserved { .. } => wrong_state("RESERVED"),
            Rejection::TooMany { .. } => wrong_state("TOO_MANY"),
            Rejection::OtherLines { .. } => Fault::new(Reason::AlreadyExists, message),
            Rejection::Outrun { .. } => Fault::new(OUTRUN, message),
        }
    }
}

/// The reason of [`Rejection::Outrun`]: the state is not the one that was read. No command that can be
/// outrun takes an etag from its caller.
pub(crate) const OUTRUN: Reason = Reason::EtagMismatch;

fn named(skus: &[String]) -> String {
    let named = &skus[..skus.len().min(NAMED)];
    let rest = match skus.len() - named.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("`{}`{rest}", named.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ten_skus_are_named() {
        let skus = |count: usize| (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>();
        assert_eq!(named(&skus(1)), "`p0`");
        assert!(named(&skus(10)).ends_with("`p9`"));
        assert!(named(&skus(12)).ends_with("`p9`, and 2 more"));
    }
}
