//! Orders, and the rules for placing, changing, cancelling, fulfilling and deleting them. Pure: no clock,
//! no store, no wire.

mod basket;
mod command;
mod order;
pub(crate) mod saga;

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{Model, States, Write},
    resource::Kind,
};

use crate::error::Rejection;

pub(crate) use basket::{Basket, BasketLine, Offer, Quote};
pub(crate) use command::{Command, Shipment};
pub(crate) use order::{
    CancelCause, Cancellation, MAX_LINES, Order, OrderLine, OrderState, Payment, Token, check_note,
    check_reason,
};

/// As callers name it.
pub(crate) const ORDER: Kind = Kind("order");

/// The fields that a caller writes once the order is placed.
pub(crate) const WRITABLE: [&str; 1] = ["note"];

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
        now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        let current = |order_id, etag| ORDER.current(states, order_id, etag).map(|stored| &stored.state);
        let write = |state, event| Ok(vec![Write { key: command.order_id().clone(), state, event }]);
        match command {
            Command::Place { order_id, order } => {
                ORDER.vacant(states, order_id)?;
                write(Some(order.clone()), "OrderPlaced")
            }
            Command::Annotate { order_id, etag, note } => {
                let order = current(order_id, etag)?;
                if order.note == *note {
                    // Nobody needs to hear of an update that changes nothing.
                    return Ok(vec![]);
                }
                write(Some(Order { note: note.clone(), ..order.clone() }), "OrderAnnotated")
            }
            Command::Cancel { order_id, etag, reason } => {
                let order = current(order_id, etag)?;
                write(Some(cancel(order_id, order, reason)?), "OrderCancelling")
            }
            Command::Delete { order_id, etag } => match current(order_id, etag)?.state {
                OrderState::Cancelled(_) => write(None, "OrderDeleted"),
                _ => Err(Rejection::NotCancelled { order_id: order_id.clone() }),
            },
            Command::Confirm { order_id } => {
                write(Some(confirm(order_id, current(order_id, "")?, now)?), "OrderConfirmed")
            }
            Command::GiveUp { order_id, cancellation } => {
                let given_up = give_up(order_id, current(order_id, "")?, cancellation)?;
                write(Some(given_up), "OrderCancelling")
            }
            Command::Finish { order_id } => {
                write(Some(finish(order_id, current(order_id, "")?)?), "OrderCancelled")
            }
            // An order that is forgotten is behind its shipment for good.
            Command::Ship { order_id, shipment } => match states.get(order_id) {
                Some(stored) => Ok(ship(&stored.state, *shipment)
                    .map(|(order, event)| Write { key: order_id.clone(), state: Some(order), event })
                    .into_iter()
                    .collect()),
                None => Ok(vec![]),
            },
        }
    }
}

/// (Placed | Confirmed) => Cancelling
fn cancel(order_id: &str, order: &Order, reason: &str) -> Result<Order, Rejection> {
    match order.state {
        OrderState::Placed | OrderState::Confirmed => {
            let cancellation = Cancellation { cause: CancelCause::Requested, reason: reason.to_owned() };
            let state = OrderState::Cancelling { cancellation, shipment_cancelled: false };
            Ok(Order { state, ..order.clone() })
        }
        _ => Err(Rejection::TooLateToCancel { order_id: order_id.to_owned(), state: order.state.name() }),
    }
}

/// Placed => Confirmed
fn confirm(order_id: &str, order: &Order, now: OffsetDateTime) -> Result<Order, Rejection> {
    match order.state {
        OrderState::Placed => {
            Ok(Order { state: OrderState::Confirmed, confirm_time: Some(now), ..order.clone() })
        }
        _ => Err(Rejection::MovedOn { order_id: order_id.to_owned(), state: order.state.name() }),
    }
}

/// Placed => Cancelling
fn give_up(order_id: &str, order: &Order, cancellation: &Cancellation) -> Result<Order, Rejection> {
    match order.state {
        OrderState::Placed => {
            let cancellation = cancellation.clone();
            let state = OrderState::Cancelling { cancellation, shipment_cancelled: false };
            Ok(Order { state, ..order.clone() })
        }
        _ => Err(Rejection::MovedOn { order_id: order_id.to_owned(), state: order.state.name() }),
    }
}

/// Cancelling => Cancelled, once nothing can leave the house any more
fn finish(order_id: &str, order: &Order) -> Result<Order, Rejection> {
    match &order.state {
        OrderState::Cancelling { cancellation, .. } if !saga::awaits_shipment(order) => {
            Ok(Order { state: OrderState::Cancelled(cancellation.clone()), ..order.clone() })
        }
        state => Err(Rejection::MovedOn { order_id: order_id.to_owned(), state: state.name() }),
    }
}

/// What an order becomes when its shipment is seen to be so far; `None` if it is that far already, or if the
/// shipment is of an order that had the id before. Monotonic: what is seen again, or late, changes nothing.
fn ship(order: &Order, shipment: Shipment) -> Option<(Order, &'static str)> {
    // An order has a shipment from its confirmation until the shipment is known to be cancelled.
    let underway = order.state == OrderState::Confirmed || saga::awaits_shipment(order);
    let (state, event) = match (&order.state, shipment) {
        // (Confirmed | Cancelling) => Dispatched
        (_, Shipment::Dispatched) if underway => (OrderState::Dispatched, "OrderDispatched"),
        // (Confirmed | Cancelling | Dispatched) => Delivered
        (_, Shipment::Delivered) if underway => (OrderState::Delivered, "OrderDelivered"),
        (OrderState::Dispatched, Shipment::Delivered) => (OrderState::Delivered, "OrderDelivered"),
        // Cancelling => Cancelling, which goes on now
        (OrderState::Cancelling { cancellation, .. }, Shipment::Cancelled) if underway => {
            let cancellation = cancellation.clone();
            (OrderState::Cancelling { cancellation, shipment_cancelled: true }, "OrderShipmentCancelled")
        }
        _ => return None,
    };
    Some((Order { state, ..order.clone() }, event))
}

#[cfg(test)]
mod tests;
