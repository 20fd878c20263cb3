//! What is to be done with an order.

use super::{Cancellation, Order};

/// What a caller, the saga or the shipment wants done. An empty etag stands for none.
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
    /// Goods and payment are there.
    Confirm {
        /// Which.
        order_id: String,
    },
    /// Goods or payment cannot be had.
    GiveUp {
        /// Which.
        order_id: String,
        /// Why.
        cancellation: Cancellation,
    },
    /// What was done is undone.
    Finish {
        /// Which.
        order_id: String,
    },
    /// The shipment of an order is seen to be so far; it may have been so for long.
    Ship {
        /// Which.
        order_id: String,
        /// How far.
        shipment: Shipment,
    },
}

/// How far a shipment is, as far as its order is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shipment {
    /// It will not leave the house.
    Cancelled,
    /// It has left the house.
    Dispatched,
    /// It has arrived.
    Delivered,
}

impl Command {
    /// The order that it is about.
    pub(crate) fn order_id(&self) -> &String {
        match self {
            Command::Place { order_id, .. }
            | Command::Annotate { order_id, .. }
            | Command::Cancel { order_id, .. }
            | Command::Delete { order_id, .. }
            | Command::Confirm { order_id }
            | Command::GiveUp { order_id, .. }
            | Command::Finish { order_id }
            | Command::Ship { order_id, .. } => order_id,
        }
    }
}
