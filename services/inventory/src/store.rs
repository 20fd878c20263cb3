//! The stock items and reservations in sled; nothing else in this service knows that.
//!
//! Key space, in the outbox's tree `state`, each a collection, NUL and an id:
//!
//! | collection | id | value |
//! | --- | --- | --- |
//! | `stock_items` | sku | the item; published |
//! | `reservations` | reservation id | state, time, the first 128 lines |
//! | `reservation_lines` | reservation id | the lines behind those, where there are any |
//! | `reservations_held` | time of expiry, `.`, reservation id | as long as it is held |
//!
//! What the outbox keeps beside a state (sequence, version, times) is its own affair. A value is a protobuf
//! message, [`Value`], which is neither the API's nor the feed's: fields may be added, and none may change
//! its number or type.
//!
//! Atomicity: the outbox writes the states of a group of commands, with their changes, positions and
//! replies, in one transaction over its trees: a reservation, all of its parts, and all items that it
//! counts on.
//!
//! Crash: all of them are there afterwards, or none. Nothing is acknowledged or shown before it would
//! survive a loss of power. What was held when the process died is found again under `reservations_held`.

use prost::{Message, Oneof};
use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{BoxError, SledTables},
    timestamp::{from_micros, micros},
};

use crate::domain::{
    Held, Inventory, Key, Part, Reservation, ReservationState, ReservedLine, State, StockItem,
};

/// The published collection.
pub(crate) const STOCK_ITEMS: &str = "stock_items";
/// What is held, in order of expiry.
pub(crate) const HELD: &str = "reservations_held";

const RESERVATIONS: &str = "reservations";
const RESERVATION_LINES: &str = "reservation_lines";

/// How the outbox finds and writes what is kept.
#[derive(Debug)]
pub(crate) struct Tables;

/// A state at rest: its kind, by number, and itself.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Item(ItemValue),
    #[prost(message, tag = "2")]
    Reservation(ReservationValue),
    #[prost(message, tag = "3")]
    Rest(RestValue),
    #[prost(message, tag = "4")]
    Held(HeldValue),
}

#[derive(Clone, PartialEq, Message)]
struct ItemValue {
    #[prost(int64, tag = "1")]
    on_hand: i64,
    #[prost(int64, tag = "2")]
    reserved: i64,
}

/// At its largest some 9.6 KB, of the 16 KiB that sled can take at once.
#[derive(Clone, PartialEq, Message)]
struct ReservationValue {
    /// 1 held, 2 committed, 3 released, 4 expired.
    #[prost(uint32, tag = "1")]
    state: u32,
    /// Microseconds since 1970.
    #[prost(int64, optional, tag = "2")]
    expire_time: Option<i64>,
    #[prost(message, repeated, tag = "3")]
    lines: Vec<LineValue>,
    /// How many more lines are kept in the rest.
    #[prost(uint32, tag = "4")]
    rest: u32,
}

#[derive(Clone, PartialEq, Message)]
struct RestValue {
    #[prost(message, repeated, tag = "1")]
    lines: Vec<LineValue>,
}

#[derive(Clone, PartialEq, Message)]
struct LineValue {
    #[prost(string, tag = "1")]
    sku: String,
    #[prost(int64, tag = "2")]
    quantity: i64,
    #[prost(bool, tag = "3")]
    managed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct HeldValue {
    #[prost(string, tag = "1")]
    reservation_id: String,
    /// Microseconds since 1970.
    #[prost(int64, tag = "2")]
    expire_time: i64,
}

impl SledTables for Tables {
    type Model = Inventory;

    fn place(key: &Key) -> (&'static str, String) {
        match key {
            Key::Item(sku) => (STOCK_ITEMS, sku.clone()),
            Key::Reservation(id) => (RESERVATIONS, id.clone()),
            Key::Rest(id) => (RESERVATION_LINES, id.clone()),
            Key::Held(id) => (HELD, id.clone()),
        }
    }

    fn key(collection: &str, id: &str) -> Key {
        let id = id.to_owned();
        match collection {
            STOCK_ITEMS => Key::Item(id),
            RESERVATIONS => Key::Reservation(id),
            RESERVATION_LINES => Key::Rest(id),
            HELD => Key::Held(id),
            other => unreachable!("there is no collection `{other}`"),
        }
    }

    fn encode(state: &State) -> Vec<u8> {
        let kind = match state.clone() {
            State::Item(StockItem { on_hand, reserved }) => Kind::Item(ItemValue { on_hand, reserved }),
            State::Reservation(part) => Kind::Reservation(part.into()),
            State::Rest(lines) => Kind::Rest(RestValue { lines: convert(lines) }),
            State::Held(Held { reservation_id, expire_time }) => {
                Kind::Held(HeldValue { reservation_id, expire_time: micros(expire_time) })
            }
        };
        Value { kind: Some(kind) }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<State, BoxError> {
        let kind = Value::decode(bytes)?.kind.ok_or("a value of no known kind")?;
        Ok(match kind {
            Kind::Item(ItemValue { on_hand, reserved }) => State::Item(StockItem { on_hand, reserved }),
            Kind::Reservation(value) => State::Reservation(value.try_into()?),
            Kind::Rest(RestValue { lines }) => State::Rest(convert(lines)),
            Kind::Held(HeldValue { reservation_id, expire_time }) => {
                State::Held(Held { reservation_id, expire_time: from_micros(expire_time) })
            }
        })
    }
}

impl From<Part> for ReservationValue {
    fn from(Part { first, rest }: Part) -> Self {
        let Reservation { state, expire_time, lines } = first;
        let state = match state {
            ReservationState::Held => 1,
            ReservationState::Committed => 2,
            ReservationState::Released => 3,
            ReservationState::Expired => 4,
        };
        // At most 256 lines in all.
        Self { state, expire_time: expire_time.map(micros), lines: convert(lines), rest: rest as u32 }
    }
}

impl TryFrom<ReservationValue> for Part {
    type Error = BoxError;

    fn try_from(value: ReservationValue) -> Result<Self, BoxError> {
        let state = match value.state {
            1 => ReservationState::Held,
            2 => ReservationState::Committed,
            3 => ReservationState::Released,
            4 => ReservationState::Expired,
            other => return Err(format!("{other} is no state of a reservation").into()),
        };
        let expire_time: Option<OffsetDateTime> = value.expire_time.map(from_micros);
        let first = Reservation { state, expire_time, lines: convert(value.lines) };
        Ok(Self { first, rest: value.rest as usize })
    }
}

impl From<ReservedLine> for LineValue {
    fn from(ReservedLine { sku, quantity, managed }: ReservedLine) -> Self {
        Self { sku, quantity, managed }
    }
}

impl From<LineValue> for ReservedLine {
    fn from(LineValue { sku, quantity, managed }: LineValue) -> Self {
        Self { sku, quantity, managed }
    }
}

fn convert<A: Into<B>, B>(lines: Vec<A>) -> Vec<B> {
    lines.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests;
