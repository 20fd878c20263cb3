//! How a reservation is spread over states: a value in the store is bounded, a reservation with all its
//! lines may be larger. What changes is in the first part; the rest is written once, with the first, and
//! never again, so that the two can be read one after the other.

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{States, Write},
    timestamp,
};

use super::{Inventory, Key, Reservation, ReservationState, ReservedLine, State};

/// Lines in a part, at most.
pub(crate) const LINES_PER_PART: usize = 128;

/// The first part of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// With its first lines alone.
    pub first: Reservation,
    /// How many lines are in the rest; with none there is no rest.
    pub rest: usize,
}

/// That a reservation is held. There as long as it is, so that what expires is found without looking at all
/// that ever was reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Which.
    pub reservation_id: String,
    /// Until when.
    pub expire_time: OffsetDateTime,
}

impl Key {
    /// Of [`Held`]: sorts by time. The number is as wide as the largest.
    pub(crate) fn held(expire_time: OffsetDateTime, reservation_id: &str) -> Self {
        Key::Held(format!("{:019}.{reservation_id}", timestamp::micros(expire_time).max(0)))
    }

    /// Where the parts of a reservation lie. The first is to be read first: what it promises is there.
    pub(crate) fn of_reservation(reservation_id: &str) -> [Self; 2] {
        [Key::Reservation(reservation_id.to_owned()), Key::Rest(reservation_id.to_owned())]
    }
}

/// The reservation, put together from its parts.
///
/// # Panics
///
/// If a part is missing or something else: the store is corrupt.
pub(crate) fn find(states: &States<Inventory>, reservation_id: &str) -> Option<Reservation> {
    let [first, rest] = Key::of_reservation(reservation_id).map(|key| states.get(&key).map(|s| &s.state));
    let part = match first? {
        State::Reservation(part) => part,
        other => unreachable!("reservation `{reservation_id}` is kept as {other:?}"),
    };
    let mut reservation = part.first.clone();
    match rest {
        None if part.rest == 0 => {}
        Some(State::Rest(lines)) if lines.len() == part.rest => reservation.lines.extend_from_slice(lines),
        other => unreachable!("reservation `{reservation_id}` lacks {} lines: {other:?}", part.rest),
    }
    Some(reservation)
}

/// A reservation that is not there yet.
pub(super) fn create(reservation_id: &str, reservation: Reservation) -> Vec<Write<Inventory>> {
    let event = event(reservation.state);
    let write = |key, state| Write { key, state: Some(state), event };
    let held = mark(reservation_id, &reservation).map(|(key, held)| write(key, State::Held(held)));
    let [first, rest] = Key::of_reservation(reservation_id);
    let (part, lines) = split(reservation);
    let rest = Some(lines).filter(|lines| !lines.is_empty()).map(|lines| write(rest, State::Rest(lines)));
    held.into_iter().chain(rest).chain([write(first, State::Reservation(part))]).collect()
}

/// A reservation goes from its state to the next. Nothing becomes held again.
pub(super) fn advance(
    reservation_id: &str,
    reservation: Reservation,
    to: ReservationState,
) -> Vec<Write<Inventory>> {
    let event = event(to);
    let held = mark(reservation_id, &reservation).map(|(key, _)| Write { key, state: None, event });
    let [first, _] = Key::of_reservation(reservation_id);
    let (part, _) = split(Reservation { state: to, ..reservation });
    held.into_iter().chain([Write { key: first, state: Some(State::Reservation(part)), event }]).collect()
}

/// What says that a reservation is held, if it is.
fn mark(reservation_id: &str, reservation: &Reservation) -> Option<(Key, Held)> {
    let expire_time = reservation.expire_time.filter(|_| reservation.state == ReservationState::Held)?;
    let held = Held { reservation_id: reservation_id.to_owned(), expire_time };
    Some((Key::held(expire_time, reservation_id), held))
}

fn split(mut reservation: Reservation) -> (Part, Vec<ReservedLine>) {
    let rest = reservation.lines.split_off(reservation.lines.len().min(LINES_PER_PART));
    (Part { first: reservation, rest: rest.len() }, rest)
}

fn event(state: ReservationState) -> &'static str {
    match state {
        ReservationState::Held => "ReservationHeld",
        ReservationState::Committed => "ReservationCommitted",
        ReservationState::Released => "ReservationReleased",
        ReservationState::Expired => "ReservationExpired",
    }
}
