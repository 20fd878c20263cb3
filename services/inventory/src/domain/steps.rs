//! Decides what is reserved, committed, released and expired: each is one command over the reservation and
//! all items that it counts on, so that all of its lines are held, or none.
//!
//! Every step can be repeated, and come in any order: a step that is done already writes nothing, and a
//! release that comes first leaves a tombstone for the reservation that comes late.

use time::OffsetDateTime;
use tributary_chassis::outbox::{States, Write};

use super::{
    Claim, Inventory, Line, RESERVATION, Reservation, ReservationState, ReservedLine, find, parts,
    reservation::{HOLD, Step, Transition},
    stock,
};
use crate::error::Rejection;

type Decided = Result<Vec<Write<Inventory>>, Rejection>;

/// Nothing => (HELD | COMMITTED): the latter when there is nothing to hold.
pub(super) fn reserve(
    states: &States<Inventory>,
    id: &str,
    lines: &[Line],
    expire_time: OffsetDateTime,
) -> Decided {
    match find(states, id) {
        None => {}
        Some(found) if found.state == ReservationState::Released => return Err(released(id)),
        Some(found) if found.is_for(lines) => return Ok(vec![]),
        Some(_) => return Err(Rejection::OtherLines { reservation_id: id.to_owned() }),
    }
    let reserved = |line: &Line| ReservedLine {
        sku: line.sku.clone(),
        quantity: line.quantity,
        managed: stock::item(states, &line.sku).is_some(),
    };
    let lines: Vec<ReservedLine> = lines.iter().map(reserved).collect();
    let (state, expire_time) = match lines.iter().any(|line| line.managed) {
        true => (ReservationState::Held, Some(expire_time)),
        false => (ReservationState::Committed, None),
    };
    let reservation = Reservation { state, expire_time, lines };
    let mut writes = move_items(states, id, &reservation, &HOLD)?;
    writes.extend(parts::create(id, reservation));
    Ok(writes)
}

/// (HELD | EXPIRED) => COMMITTED.
pub(super) fn commit(states: &States<Inventory>, id: &str, claim: &Claim) -> Decided {
    let reservation = claimed(states, id, claim)?.ok_or_else(|| RESERVATION.not_found(id))?;
    advance(states, id, reservation, Step::Commit)
}

/// (Nothing | HELD | COMMITTED | EXPIRED) => RELEASED.
pub(super) fn release(states: &States<Inventory>, id: &str, claim: &Claim) -> Decided {
    match claimed(states, id, claim)? {
        Some(reservation) => advance(states, id, reservation, Step::Release),
        None => Ok(parts::create(id, Reservation::tombstone())),
    }
}

/// HELD => EXPIRED, once its time is over.
pub(super) fn expire(states: &States<Inventory>, id: &str, claim: &Claim, now: OffsetDateTime) -> Decided {
    match claimed(states, id, claim)? {
        Some(reservation) if reservation.expire_time.is_some_and(|time| time <= now) => {
            advance(states, id, reservation, Step::Expire)
        }
        _ => Ok(vec![]),
    }
}

/// The reservation, if the command knows all that it touches.
fn claimed(states: &States<Inventory>, id: &str, claim: &Claim) -> Result<Option<Reservation>, Rejection> {
    match find(states, id) {
        Some(reservation) if reservation.claim() != *claim => {
            Err(Rejection::Outrun { reservation_id: id.to_owned() })
        }
        found => Ok(found),
    }
}

fn advance(states: &States<Inventory>, id: &str, reservation: Reservation, step: Step) -> Decided {
    let Some(transition) = reservation.state.after(step).map_err(|_| released(id))? else {
        return Ok(vec![]);
    };
    let mut writes = move_items(states, id, &reservation, &transition)?;
    writes.extend(parts::advance(id, reservation, transition.to));
    Ok(writes)
}

fn released(id: &str) -> Rejection {
    Rejection::Released { reservation_id: id.to_owned() }
}

/// The items that the reservation counts on, as the transition leaves them.
///
/// # Panics
///
/// If what is held is not counted as reserved: the store is corrupt.
fn move_items(states: &States<Inventory>, id: &str, reservation: &Reservation, by: &Transition) -> Decided {
    let (mut writes, mut short) = (Vec::new(), Vec::new());
    if (by.on_hand, by.reserved) == (0, 0) {
        return Ok(writes);
    }
    for (sku, quantity) in reservation.quantities() {
        let moved = match stock::item(states, sku) {
            Some(item) => item.moved(by.on_hand * quantity, by.reserved * quantity),
            // Deleted since: what comes back has no shelf to go to.
            None if by.on_hand > 0 => continue,
            None => None,
        };
        match moved {
            Some(item) => writes.push(stock::write(sku, Some(item), by.event)),
            None => short.push(sku.to_owned()),
        }
    }
    if short.is_empty() {
        return Ok(writes);
    }
    // Only what takes from what is available can find too little.
    assert!(by.reserved - by.on_hand > 0, "what `{id}` holds is not counted: {short:?}");
    Err(Rejection::OutOfStock { reservation_id: id.to_owned(), skus: short })
}
