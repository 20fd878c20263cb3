use time::macros::datetime;
use tributary_chassis::outbox::STATE_LIMIT;

use super::*;
use crate::domain::LINES_PER_PART;

fn line(sku: &str, quantity: i64) -> ReservedLine {
    ReservedLine { sku: sku.to_owned(), quantity, managed: true }
}

fn part(state: ReservationState, lines: Vec<ReservedLine>, rest: usize) -> State {
    let expire_time = Some(datetime!(2026-11-23 12:00 UTC));
    State::Reservation(Part { first: Reservation { state, expire_time, lines }, rest })
}

/// What was written once must be read for ever.
#[test]
fn the_bytes_at_rest_stay_as_they_are() {
    let held = Held { reservation_id: "o-1".to_owned(), expire_time: datetime!(1970-01-01 0:00:01 UTC) };
    let untimed = Reservation { state: ReservationState::Committed, expire_time: None, lines: vec![] };
    let cases: [(State, &[u8]); 5] = [
        (State::Item(StockItem { on_hand: 300, reserved: 2 }), b"\x0a\x05\x08\xac\x02\x10\x02"),
        (
            part(ReservationState::Held, vec![line("saw", 3)], 1),
            b"\x12\x18\x08\x01\x10\x80\xe0\xc0\xaa\x85\x9e\x98\x03\x1a\x09\x0a\x03saw\x10\x03\x18\x01\x20\x01",
        ),
        (State::Reservation(Part { first: untimed, rest: 0 }), b"\x12\x02\x08\x02"),
        (State::Rest(vec![line("saw", 3)]), b"\x1a\x0b\x0a\x09\x0a\x03saw\x10\x03\x18\x01"),
        (State::Held(held), b"\x22\x09\x0a\x03o-1\x10\xc0\x84\x3d"),
    ];
    for (state, bytes) in cases {
        assert_eq!(Tables::encode(&state), bytes, "{state:?}");
        assert_eq!(Tables::decode(bytes).unwrap(), state);
    }
}

#[test]
fn every_state_of_a_reservation_comes_back() {
    for state in [
        ReservationState::Held,
        ReservationState::Committed,
        ReservationState::Released,
        ReservationState::Expired,
    ] {
        let state = part(state, vec![], 0);
        assert_eq!(Tables::decode(&Tables::encode(&state)).unwrap(), state);
    }
}

#[test]
fn what_is_no_state_is_an_error() {
    for bytes in [&b""[..], b"\x12\x00", b"\x12\x02\x08\x05", b"\x0a\xff"] {
        assert!(Tables::decode(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn every_key_comes_back_from_its_place() {
    let id = || "o-1".to_owned();
    for key in [Key::Item(id()), Key::Reservation(id()), Key::Rest(id()), Key::Held(id())] {
        let (collection, id) = Tables::place(&key);
        assert_eq!(Tables::key(collection, &id), key);
    }
}

#[test]
fn the_largest_parts_are_below_the_limit() {
    const { assert!(9_700 < STATE_LIMIT) };
    let lines = vec![line(&"s".repeat(64), 1_000_000); LINES_PER_PART];
    for state in [part(ReservationState::Expired, lines.clone(), LINES_PER_PART), State::Rest(lines)] {
        let bytes = Tables::encode(&state).len();
        assert!(bytes < 9_700, "{bytes}");
    }
}
