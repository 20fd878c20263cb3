//! Stock items and reservations, and the rules for counting, holding, committing and giving back. Pure: no
//! clock, no store, no wire.

mod parts;
mod reservation;
mod steps;
mod stock;

use std::{collections::BTreeSet, fmt};

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{Model, States, Write},
    resource::Kind,
};

use crate::error::Rejection;

#[cfg(test)]
pub(crate) use parts::LINES_PER_PART;
pub(crate) use parts::{Held, Part, find};
pub(crate) use reservation::{Claim, Line, Reservation, ReservationState, ReservedLine, check_lines};
pub(crate) use stock::{MAX_ON_HAND, StockItem, check_delta, check_on_hand, check_quantity, check_reason};

/// As callers name it.
pub(crate) const STOCK_ITEM: Kind = Kind("stock item");

/// As callers name it.
pub(crate) const RESERVATION: Kind = Kind("reservation");

/// Names a state. All that belongs to one command is written together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// A stock item, by sku.
    Item(String),
    /// A reservation, by its id, with the first of its lines.
    Reservation(String),
    /// The rest of its lines, by its id, where it has many.
    Rest(String),
    /// That it is held, in order of the time when it expires: see [`Key::held`].
    Held(String),
}

/// What is kept under a key, each kind under its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// See [`Key::Item`].
    Item(StockItem),
    /// See [`Key::Reservation`].
    Reservation(Part),
    /// See [`Key::Rest`].
    Rest(Vec<ReservedLine>),
    /// See [`Key::Held`].
    Held(Held),
}

/// As callers know it.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Item(id) | Key::Reservation(id) | Key::Rest(id) | Key::Held(id) => f.write_str(id),
        }
    }
}

/// What a caller wants done. An empty etag stands for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A product becomes stock-managed.
    Create {
        /// Of the product.
        sku: String,
        /// Within its bounds.
        on_hand: i64,
    },
    /// Goods arrive.
    Receive {
        /// Which.
        sku: String,
        /// Within its bounds.
        quantity: i64,
    },
    /// What was counted differs from what is kept.
    Adjust {
        /// Which.
        sku: String,
        /// Within its bounds.
        delta: i64,
        /// Expected by the caller.
        etag: String,
    },
    /// A product is not stock-managed any more.
    Delete {
        /// Which.
        sku: String,
        /// Expected by the caller.
        etag: String,
    },
    /// All lines are held, or none.
    Reserve {
        /// Of the order that it is for.
        reservation_id: String,
        /// Within their bounds.
        lines: Vec<Line>,
        /// Until when.
        expire_time: OffsetDateTime,
    },
    /// What is held leaves the shelf.
    Commit {
        /// Which.
        reservation_id: String,
        /// As it was read, or that of nothing if there was no such reservation.
        claim: Claim,
    },
    /// What is held or has left is given back.
    Release {
        /// Which.
        reservation_id: String,
        /// As for [`Command::Commit`].
        claim: Claim,
    },
    /// What is held is given back, if its time is over and nobody committed it.
    Expire {
        /// Which.
        reservation_id: String,
        /// As for [`Command::Commit`].
        claim: Claim,
    },
}

/// The stock items, and what of them is reserved.
#[derive(Debug)]
pub(crate) struct Inventory;

impl Model for Inventory {
    type Key = Key;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn reads(command: &Command) -> Vec<Key> {
        match command {
            Command::Create { sku, .. }
            | Command::Receive { sku, .. }
            | Command::Adjust { sku, .. }
            | Command::Delete { sku, .. } => vec![Key::Item(sku.clone())],
            Command::Reserve { reservation_id, lines, expire_time } => {
                let skus: BTreeSet<String> = lines.iter().map(|line| line.sku.clone()).collect();
                let claim = Claim { expire_time: Some(*expire_time), skus: skus.into_iter().collect() };
                claim.keys(reservation_id)
            }
            Command::Commit { reservation_id, claim }
            | Command::Release { reservation_id, claim }
            | Command::Expire { reservation_id, claim } => claim.keys(reservation_id),
        }
    }

    fn decide(
        command: &Command,
        states: &States<Self>,
        now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        match command {
            Command::Create { sku, on_hand } => stock::create(states, sku, *on_hand),
            Command::Receive { sku, quantity } => stock::receive(states, sku, *quantity),
            Command::Adjust { sku, delta, etag } => stock::adjust(states, sku, *delta, etag),
            Command::Delete { sku, etag } => stock::delete(states, sku, etag),
            Command::Reserve { reservation_id, lines, expire_time } => {
                steps::reserve(states, reservation_id, lines, *expire_time)
            }
            Command::Commit { reservation_id, claim } => steps::commit(states, reservation_id, claim),
            Command::Release { reservation_id, claim } => steps::release(states, reservation_id, claim),
            Command::Expire { reservation_id, claim } => steps::expire(states, reservation_id, claim, now),
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
