//! Each rule once, given some states, when a command comes. Random sequences of commands: `properties`.

mod items;
mod reservations;
mod steps;

use time::{Duration, OffsetDateTime};
use tributary_chassis::testing::{Event, NOW, given, violated};

use super::*;

fn sku(name: &str) -> String {
    name.to_owned()
}

fn id() -> String {
    "o-1".to_owned()
}

fn item(name: &str, on_hand: i64, reserved: i64) -> (Key, State) {
    (Key::Item(sku(name)), State::Item(StockItem { on_hand, reserved }))
}

/// What is written when an item becomes this.
fn becomes(event: &'static str, name: &str, on_hand: i64, reserved: i64) -> Event<Inventory> {
    let (key, state) = item(name, on_hand, reserved);
    (event, key, Some(state))
}

fn line(name: &str, quantity: i64) -> Line {
    Line { sku: sku(name), quantity }
}

fn reserved(name: &str, quantity: i64, managed: bool) -> ReservedLine {
    ReservedLine { sku: sku(name), quantity, managed }
}

/// When what is reserved at [`NOW`] expires.
fn later() -> OffsetDateTime {
    NOW + Duration::minutes(15)
}

/// Two saws and a file, both managed, and a book that is not.
fn lines() -> Vec<ReservedLine> {
    vec![reserved("saw", 2, true), reserved("file", 1, true), reserved("book", 5, false)]
}

fn reservation(state: ReservationState) -> Reservation {
    Reservation { state, expire_time: Some(later()), lines: lines() }
}

fn stored(reservation: Reservation) -> (Key, State) {
    (Key::Reservation(id()), State::Reservation(Part { first: reservation, rest: 0 }))
}

fn held_mark() -> (Key, State) {
    let held = Held { reservation_id: id(), expire_time: later() };
    (Key::held(later(), "o-1"), State::Held(held))
}

/// As the reservation in `reservation` is read.
fn claim() -> Claim {
    Claim { expire_time: Some(later()), skus: vec![sku("file"), sku("saw")] }
}

fn reserve(lines: Vec<Line>) -> Command {
    Command::Reserve { reservation_id: id(), lines, expire_time: later() }
}

fn commit() -> Command {
    Command::Commit { reservation_id: id(), claim: claim() }
}

fn release() -> Command {
    Command::Release { reservation_id: id(), claim: claim() }
}
