//! Orders, and the rules for placing, changing, cancelling and deleting them. Pure: no clock, no store,
//! no wire.

mod basket;

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{Model, States, Write},
    resource::Kind,
    validate::Violations,
};

use crate::error::Rejection;

pub(crate) use basket::{Basket, BasketLine, Offer, Quote};

/// As callers name it.
pub(crate) const ORDER: Kind = Kind("order");

/// The fields that a caller writes once the order is placed.
pub(crate) const WRITABLE: [&str; 1] = ["note"];

/// How many lines an order has at most.
pub(crate) const MAX_LINES: usize = 256;

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Who bought it.
    pub customer_id: String,
    /// How far it is.
    pub state: OrderState,
    /// When it was ordered, to the microsecond.
    pub order_time: OffsetDateTime,
    /// Of all prices in it.
    pub currency_code: String,
    /// Sum over the lines of quantity * unit price.
    pub total_minor_units: i64,
    /// 1 to 256, as agreed.
    pub lines: Vec<OrderLine>,
    /// At most 1,000 characters.
    pub note: String,
}

/// Placed => Cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OrderState {
    /// To be fulfilled.
    Placed,
    /// Not to be fulfilled.
    Cancelled {
        /// At most 200 characters.
        reason: String,
    },
}

/// As agreed when the order was placed; what happens to the product later does not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderLine {
    /// Of the product.
    pub sku: String,
    /// Of the product.
    pub display_name: String,
    /// Of the product.
    pub category: String,
    /// 1 to 1,000,000.
    pub quantity: i64,
    /// In the currency of the order.
    pub unit_price_minor_units: i64,
}

/// Notes whether a note is out of bounds, by the path that it has in a request.
pub(crate) fn check_note(field: &str, note: &str, violations: &mut Violations) {
    violations.text(field, note, 0, 1_000);
}

/// Notes whether the reason of a cancellation is out of bounds.
pub(crate) fn check_reason(reason: &str, violations: &mut Violations) {
    violations.text("reason", reason, 0, 200);
}

/// What a caller wants done. An empty etag stands for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// An order that is not there yet.
    Place {
        /// Chosen by the caller, or for them.
        order_id: String,
        /// As agreed.
        order: Order,
    },
    /// The note of an order is written.
    Annotate {
        /// Which.
        order_id: String,
        /// Expected by the caller.
        etag: String,
        /// Within its bounds.
        note: String,
    },
    /// An order shall not be fulfilled.
    Cancel {
        /// Which.
        order_id: String,
        /// Expected by the caller.
        etag: String,
        /// Within its bounds.
        reason: String,
    },
    /// A cancelled order is forgotten.
    Delete {
        /// Which.
        order_id: String,
        /// Expected by the caller.
        etag: String,
    },
}

impl Command {
    /// The order that it is about.
    pub(crate) fn order_id(&self) -> &String {
        match self {
            Command::Place { order_id, .. }
            | Command::Annotate { order_id, .. }
            | Command::Cancel { order_id, .. }
            | Command::Delete { order_id, .. } => order_id,
        }
    }
}

/// The orders, by `order_id`.
#[derive(Debug)]
pub(crate) struct Orders;

impl Model for Orders {
    type Key = String;
    type State = Order;
    type Command = Command;
    type Rejection = Rejection;

    fn reads(command: &Command) -> Vec<String> {
        vec![command.order_id().clone()]
    }

    fn decide(
        command: &Command,
        states: &States<Self>,
        _now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        let current = |order_id, etag| ORDER.current(states, order_id, etag).map(|stored| &stored.state);
        let write = |state, event| Write { key: command.order_id().clone(), state, event };
        match command {
            Command::Place { order_id, order } => {
                ORDER.vacant(states, order_id)?;
                Ok(vec![write(Some(order.clone()), "OrderPlaced")])
            }
            Command::Annotate { order_id, etag, note } => {
                let order = current(order_id, etag)?;
                if order.note == *note {
                    // Nobody needs to hear of an update that changes nothing.
                    return Ok(vec![]);
                }
                let annotated = Order { note: note.clone(), ..order.clone() };
                Ok(vec![write(Some(annotated), "OrderAnnotated")])
            }
            Command::Cancel { order_id, etag, reason } => {
                let order = current(order_id, etag)?;
                if order.state != OrderState::Placed {
                    return Err(Rejection::AlreadyCancelled { order_id: order_id.clone() });
                }
                let state = OrderState::Cancelled { reason: reason.clone() };
                Ok(vec![write(Some(Order { state, ..order.clone() }), "OrderCancelled")])
            }
            Command::Delete { order_id, etag } => {
                if current(order_id, etag)?.state == OrderState::Placed {
                    return Err(Rejection::NotCancelled { order_id: order_id.clone() });
                }
                Ok(vec![write(None, "OrderDeleted")])
            }
        }
    }
}

#[cfg(test)]
mod tests;
