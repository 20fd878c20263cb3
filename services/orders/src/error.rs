//! Why a command is not done, and why no order comes about.

use tributary_chassis::{
    fault::{Fault, Reason},
    resource::Refusal,
};

/// How many fields are named: an error travels in headers, which are bounded.
const NAMED: usize = 10;

/// Why a command is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// As with every resource.
    #[error(transparent)]
    Resource(#[from] Refusal),
    /// Only what is placed or confirmed can be turned back.
    #[error("order `{order_id}` is {state}: only one that is PLACED or CONFIRMED can be cancelled")]
    TooLateToCancel {
        /// Which.
        order_id: String,
        /// As it is.
        state: &'static str,
    },
    /// The saga was about to write what no longer holds; callers never see this.
    #[error("order `{order_id}` has moved on: it is {state}")]
    MovedOn {
        /// Which.
        order_id: String,
        /// As it is.
        state: &'static str,
    },
    /// What is not done with cannot be forgotten.
    #[error("order `{order_id}` is not CANCELLED: cancel it, and delete it when that is done")]
    NotCancelled {
        /// Which.
        order_id: String,
    },
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Resource(refusal) => refusal.into(),
            Rejection::TooLateToCancel { .. }
            | Rejection::MovedOn { .. }
            | Rejection::NotCancelled { .. } => Fault::new(Reason::WrongState, rejection.to_string()),
        }
    }
}

/// Why no order comes about. Fields are given as (path in the request, what is wrong).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Disagreement {
    /// The request is right, but names what does not exist, or not yet.
    Unknown(Vec<(String, String)>),
    /// One order has one currency.
    MixedCurrencies(Vec<(String, String)>),
    /// It cannot be counted.
    TotalTooLarge,
}

impl From<Disagreement> for Fault {
    fn from(disagreement: Disagreement) -> Self {
        match disagreement {
            Disagreement::Unknown(fields) => unknown(&fields),
            Disagreement::MixedCurrencies(fields) => Fault::fields(fields),
            Disagreement::TotalTooLarge => Fault::field(
                "lines",
                format!("cost more than {} minor units together: place several orders", i64::MAX),
            ),
        }
    }
}

/// Not NOT_FOUND, which would speak of the order itself; not INVALID_ARGUMENT, since it may work later.
fn unknown(fields: &[(String, String)]) -> Fault {
    let named = &fields[..fields.len().min(NAMED)];
    let mut text: Vec<String> = named.iter().map(|(field, what)| format!("{field}: {what}")).collect();
    if fields.len() > NAMED {
        text.push(format!("and {} more", fields.len() - NAMED));
    }
    let paths: Vec<&str> = named.iter().map(|(field, _)| field.as_str()).collect();
    Fault::new(Reason::WrongState, text.join("; ")).with("fields", paths.join(","))
}
