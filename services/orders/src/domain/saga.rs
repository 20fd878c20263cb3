//! The saga of an order: what is to be done next, from the order as it is and the answer to what was done.
//! Pure; whoever runs it repeats a step until it is answered, so that only answers are told here.
//!
//! ```text
//! forward  (PLACED):     Reserve -> Authorize -> Commit -> Capture -> Confirm
//!                           |           |          |
//!                           +-----------+----------+--> GiveUp
//! backward (CANCELLING): Void -> (Refund) -> Release -> Finish
//! ```
//!
//! Without a card there is no Authorize, Capture, Void and Refund. Nothing is kept but the order itself: after
//! a crash a direction begins again with its first step, since each step, done again, is answered with what it
//! has done before. Commit is the pivot: behind it nothing can be refused any more, and Capture is repeated
//! until it is answered.
//!
//! A caller may turn an order back while a step forward is on its way. It may then have its effect late, or
//! even after it was undone: what was given up before it was made stays given up, at inventory and at payments
//! alike.

mod request_id;

use super::{CancelCause, Cancellation, Order, OrderState, Payment};

pub(crate) use request_id::request_id;

/// Longest reason, in characters.
const MAX_REASON: usize = 200;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Inventory holds the goods.
    Reserve,
    /// Payments sets the amount aside.
    Authorize {
        /// The goods are off the shelf already.
        committed: bool,
    },
    /// The goods leave the shelf.
    Commit,
    /// Payments takes the amount.
    Capture,
    /// The order is confirmed; the way forward ends.
    Confirm,
    /// The order is turned back.
    GiveUp(Cancellation),
    /// Payments gives up what was set aside.
    Void,
    /// Payments gives back what was taken.
    Refund,
    /// Inventory gives back what was held, or puts back what was taken.
    Release,
    /// The order is cancelled; the way back ends.
    Finish,
}

/// How the reservation or the payment of an order is, as a step was told: by the reply, or by a refusal that
/// says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The goods are held, or were held and can be again.
    Held,
    /// The goods are off the shelf, or there was nothing to be held.
    Committed,
    /// There is not enough.
    OutOfStock {
        /// Of these, or some of them; for people.
        skus: String,
    },
    /// The reservation was given back, for good.
    Released,
    /// The amount is set aside.
    Authorized,
    /// The processor says no.
    Declined {
        /// In its words.
        code: String,
    },
    /// The amount is taken.
    Captured,
    /// The payment was given up, for good.
    Voided,
    /// The amount was given back, for good.
    Refunded,
}

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Whether an order cannot go back before it is known that its shipment stays in the house.
pub(crate) fn awaits_shipment(order: &Order) -> bool {
    matches!(order.state, OrderState::Cancelling { shipment_cancelled: false, .. })
        && order.confirm_time.is_some()
}

/// The step to begin with; `None` if there is nothing to be done, or not yet.
pub(crate) fn first(order: &Order) -> Option<Step> {
    Some(match direction(order)? {
        Direction::Forward => Step::Reserve,
        Direction::Backward if has_card(order) => Step::Void,
        Direction::Backward => Step::Release,
    })
}

/// `step` as long as the order goes its way; else what to begin with. An order may have been turned back,
/// or forgotten and placed anew, since the step was chosen.
pub(crate) fn still(order: &Order, step: Step) -> Option<Step> {
    if direction(order) == Some(step.direction()) { Some(step) } else { first(order) }
}

fn direction(order: &Order) -> Option<Direction> {
    match order.state {
        OrderState::Placed => Some(Direction::Forward),
        OrderState::Cancelling { .. } if !awaits_shipment(order) => Some(Direction::Backward),
        OrderState::Cancelling { .. }
        | OrderState::Confirmed
        | OrderState::Cancelled(_)
        | OrderState::Dispatched
        | OrderState::Delivered => None,
    }
}

fn has_card(order: &Order) -> bool {
    match order.payment {
        Payment::Card(_) => true,
        Payment::Invoice => false,
    }
}

impl Step {
    /// The step behind this one. `None` if the answer is none that this step can have: then nothing is known,
    /// and the step is to be repeated.
    pub(crate) fn next(&self, order: &Order, answer: &Answer) -> Option<Step> {
        let has_card = has_card(order);
        Some(match (self, answer) {
            // Reserve => (Authorize | Commit | Confirm | GiveUp)
            (Step::Reserve, Answer::Held) if has_card => Step::Authorize { committed: false },
            (Step::Reserve, Answer::Held) => Step::Commit,
            (Step::Reserve, Answer::Committed) if has_card => Step::Authorize { committed: true },
            (Step::Reserve, Answer::Committed) => Step::Confirm,
            (Step::Reserve, Answer::OutOfStock { skus }) => out_of_stock(skus),
            (Step::Reserve, Answer::Released) => used_before(),

            // Authorize => (Commit | Capture | GiveUp)
            // CAPTURED: it was, before a crash.
            (Step::Authorize { committed: false }, Answer::Authorized | Answer::Captured) => Step::Commit,
            (Step::Authorize { committed: true }, Answer::Authorized | Answer::Captured) => Step::Capture,
            (Step::Authorize { .. }, Answer::Declined { code }) => {
                give_up(CancelCause::PaymentDeclined, code.clone())
            }
            (Step::Authorize { .. }, Answer::Voided | Answer::Refunded) => used_before(),

            // Commit => (Capture | Confirm | GiveUp)
            // Out of stock: it expired, and what was held went to another order.
            (Step::Commit, Answer::Committed) if has_card => Step::Capture,
            (Step::Commit, Answer::Committed) => Step::Confirm,
            (Step::Commit, Answer::OutOfStock { skus }) => out_of_stock(skus),
            (Step::Commit, Answer::Released) => used_before(),

            // Capture => Confirm
            (Step::Capture, Answer::Captured) => Step::Confirm,

            // Void => (Release | Refund)
            (Step::Void, Answer::Voided | Answer::Declined { .. }) => Step::Release,
            (Step::Void, Answer::Captured | Answer::Refunded) => Step::Refund,

            // Refund => Release
            (Step::Refund, Answer::Refunded) => Step::Release,

            // Release => Finish
            (Step::Release, Answer::Released) => Step::Finish,

            _ => return None,
        })
    }

    /// Tells the steps of a saga apart, for ever: the request ids of its calls are made of it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Step::Reserve => "reserve",
            Step::Authorize { .. } => "authorize",
            Step::Commit => "commit",
            Step::Capture => "capture",
            Step::Confirm => "confirm",
            Step::GiveUp(_) => "give-up",
            Step::Void => "void",
            Step::Refund => "refund",
            Step::Release => "release",
            Step::Finish => "finish",
        }
    }

    fn direction(&self) -> Direction {
        match self {
            Step::Reserve
            | Step::Authorize { .. }
            | Step::Commit
            | Step::Capture
            | Step::Confirm
            | Step::GiveUp(_) => Direction::Forward,
            Step::Void | Step::Refund | Step::Release | Step::Finish => Direction::Backward,
        }
    }
}

fn out_of_stock(skus: &str) -> Step {
    let reason = if skus.is_empty() { String::new() } else { format!("not enough of {skus}") };
    give_up(CancelCause::OutOfStock, reason)
}

fn used_before() -> Step {
    give_up(CancelCause::IdUsedBefore, String::new())
}

/// However much another service has to say, the reason stays within its bound.
fn give_up(cause: CancelCause, reason: String) -> Step {
    Step::GiveUp(Cancellation { cause, reason: reason.chars().take(MAX_REASON).collect() })
}

#[cfg(test)]
mod tests;
