//! The other services as seen from here, one file each: what is asked, and what their answers mean.
//!
//! Customers and catalog are asked on behalf of a caller, who waits: repeated a few times within the call's
//! deadline. Inventory and payments are asked by the saga, which repeats a step by itself until it is answered.
//! Shipping is asked nothing: its feed is followed.

mod catalog;
mod customers;
mod inventory;
mod payments;
pub(crate) mod shipping;

use std::time::Duration;

use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tributary_chassis::fault::{Fault, Reason};

pub(crate) use catalog::Catalog;
pub(crate) use customers::Customers;
pub(crate) use inventory::Inventory;
pub(crate) use payments::Payments;

/// Who is asked before an order comes about.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Whether the customer exists.
    pub customers: Customers,
    /// What the products cost.
    pub catalog: Catalog,
}

/// Who is asked by the saga.
#[derive(Clone, Debug)]
pub(crate) struct Partners {
    /// Has the goods.
    pub inventory: Inventory,
    /// Has the money.
    pub payments: Payments,
}

/// Said by the service, and not by something in between that does not know the service.
fn is_not_found(status: &Status) -> bool {
    Reason::of(status) == Some(Reason::NotFound)
}

/// Why a service refuses, in its own word: the `cause` of a refusal that lies in the state of what it owns.
/// `None` for whatever else went wrong: then nothing is known.
fn refusal(status: &Status) -> Option<String> {
    (Reason::of(status) == Some(Reason::WrongState)).then_some(())?;
    status.get_error_details().error_info()?.metadata.get("cause").cloned()
}

/// Nothing is known about what was asked; nothing was written either, so that trying again is safe.
fn unanswered(service: &'static str, status: Status) -> Fault {
    let reason = match status.code() {
        Code::Unavailable | Code::Cancelled => Reason::Unavailable,
        Code::ResourceExhausted => Reason::Overloaded,
        Code::DeadlineExceeded => Reason::DeadlineExceeded,
        _ => return Fault::internal(&format!("asking {service}"), status),
    };
    let message = format!("{service} does not answer: {}; nothing was ordered, try again", status.message());
    Fault::new(reason, message).with("service", service).with_source(status)
}

/// A request that must be answered within `timeout`.
fn timed<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_service_itself_can_say_not_found() {
        assert!(!is_not_found(&Status::not_found("no such route")));
        assert!(is_not_found(&Fault::new(Reason::NotFound, "no such customer").into()));
    }

    #[test]
    fn only_a_refusal_of_the_service_itself_has_a_cause() {
        let fault = |reason| Status::from(Fault::new(reason, "").with("cause", "RELEASED"));
        assert_eq!(refusal(&fault(Reason::WrongState)).as_deref(), Some("RELEASED"));
        assert_eq!(refusal(&Fault::new(Reason::WrongState, "").into()), None);
        assert_eq!(refusal(&Status::failed_precondition("RELEASED")), None);
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::WrongState) {
            assert_eq!(refusal(&fault(reason)), None, "{reason:?}");
        }
    }

    #[test]
    fn who_does_not_answer_is_named() {
        for (code, reason) in [
            (Code::Unavailable, Reason::Unavailable),
            (Code::ResourceExhausted, Reason::Overloaded),
            (Code::DeadlineExceeded, Reason::DeadlineExceeded),
            (Code::Internal, Reason::Internal),
            (Code::InvalidArgument, Reason::Internal),
        ] {
            let fault = unanswered("catalog", Status::new(code, "why"));
            assert_eq!(fault.reason(), reason);
            assert!(fault.message().contains("catalog"), "{fault}");
        }
    }
}
