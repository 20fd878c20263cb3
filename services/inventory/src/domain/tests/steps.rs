//! What becomes of a reservation.

use super::*;
use ReservationState::{Committed, Expired, Held, Released};

/// The items as they are while `reservation(state)` is the only one, 10 of each having been there.
fn with(state: ReservationState) -> Vec<(Key, State)> {
    let (taken, kept) = match state {
        Held => (0, 1),
        Committed => (1, 0),
        Released | Expired => (0, 0),
    };
    let of = |name, quantity: i64| item(name, 10 - taken * quantity, kept * quantity);
    let mut states = vec![stored(reservation(state)), of("file", 1), of("saw", 2)];
    states.extend((state == Held).then(held_mark));
    states
}

fn to(state: ReservationState, event: &'static str) -> Event<Inventory> {
    let (key, after) = stored(reservation(state));
    (event, key, Some(after))
}

fn no_longer_held(event: &'static str) -> Event<Inventory> {
    (event, held_mark().0, None)
}

#[test]
fn what_is_held_leaves_the_shelf() {
    given::<Inventory>(with(Held)).when(commit()).then([
        becomes("StockCommitted", "file", 9, 0),
        becomes("StockCommitted", "saw", 8, 0),
        no_longer_held("ReservationCommitted"),
        to(Committed, "ReservationCommitted"),
    ]);
}

#[test]
fn what_is_held_is_given_back() {
    given::<Inventory>(with(Held)).when(release()).then([
        becomes("StockReleased", "file", 10, 0),
        becomes("StockReleased", "saw", 10, 0),
        no_longer_held("ReservationReleased"),
        to(Released, "ReservationReleased"),
    ]);
}

#[test]
fn what_left_is_put_back() {
    given::<Inventory>(with(Committed)).when(release()).then([
        becomes("StockReturned", "file", 10, 0),
        becomes("StockReturned", "saw", 10, 0),
        to(Released, "ReservationReleased"),
    ]);
}

#[test]
fn what_left_is_put_back_to_items_that_still_exist() {
    given::<Inventory>([stored(reservation(Committed)), item("saw", 0, 0)])
        .when(release())
        .then([becomes("StockReturned", "saw", 2, 0), to(Released, "ReservationReleased")]);
}

#[test]
fn what_expired_is_held_again_and_committed() {
    given::<Inventory>(with(Expired)).when(commit()).then([
        becomes("StockCommitted", "file", 9, 0),
        becomes("StockCommitted", "saw", 8, 0),
        to(Committed, "ReservationCommitted"),
    ]);
}

#[test]
fn if_there_is_still_enough() {
    let out = |name| Rejection::OutOfStock { reservation_id: id(), skus: vec![sku(name)] };
    let expired = || stored(reservation(Expired));
    given::<Inventory>([expired(), item("file", 1, 0), item("saw", 4, 3)])
        .when(commit())
        .then_refused(out("saw"));
    // A deleted item has nothing, or else what was never taken could be put back.
    given::<Inventory>([expired(), item("saw", 4, 0)]).when(commit()).then_refused(out("file"));
}

#[test]
fn what_expired_holds_nothing_to_give_back() {
    given::<Inventory>(with(Expired)).when(release()).then([to(Released, "ReservationReleased")]);
}

#[test]
fn a_release_may_come_first() {
    let (key, tombstone) = stored(Reservation::tombstone());
    let command = Command::Release { reservation_id: id(), claim: Claim::default() };
    given::<Inventory>([item("saw", 1, 0)]).when(command).then([(
        "ReservationReleased",
        key,
        Some(tombstone),
    )]);
}

#[test]
fn what_is_done_is_not_done_again() {
    given::<Inventory>(with(Committed)).when(commit()).then_nothing();
    given::<Inventory>(with(Released)).when(release()).then_nothing();
    let command = Command::Release { reservation_id: id(), claim: Claim::default() };
    given::<Inventory>([stored(Reservation::tombstone())]).when(command).then_nothing();
}

#[test]
fn what_was_released_cannot_be_committed() {
    let refused = || Rejection::Released { reservation_id: id() };
    given::<Inventory>(with(Released)).when(commit()).then_refused(refused());
    let command = Command::Commit { reservation_id: id(), claim: Claim::default() };
    given::<Inventory>([stored(Reservation::tombstone())]).when(command).then_refused(refused());
}

#[test]
fn what_was_never_reserved_cannot_be_committed() {
    let command = Command::Commit { reservation_id: id(), claim: Claim::default() };
    given::<Inventory>([]).when(command).then_refused(RESERVATION.not_found("o-1"));
}

#[test]
fn who_did_not_see_the_reservation_is_outrun() {
    let claim = Claim::default;
    for command in [
        Command::Commit { reservation_id: id(), claim: claim() },
        Command::Release { reservation_id: id(), claim: claim() },
        Command::Expire { reservation_id: id(), claim: claim() },
    ] {
        given::<Inventory>(with(Held)).when(command).then_refused(Rejection::Outrun { reservation_id: id() });
    }
}

/// [`given`] decides at [`NOW`], so that the time of expiry is what differs.
fn expire_at(
    state: ReservationState,
    expire_time: OffsetDateTime,
) -> Result<Vec<Event<Inventory>>, Rejection> {
    let made = Reservation { expire_time: Some(expire_time), ..reservation(state) };
    let claim = made.claim();
    let states = [stored(made), item("file", 10, 1), item("saw", 10, 2)].map(|(key, state)| {
        let meta = tributary_chassis::outbox::Stored {
            state,
            sequence: 1,
            version: 1,
            create_time: NOW,
            update_time: NOW,
        };
        (key, meta)
    });
    let command = Command::Expire { reservation_id: id(), claim };
    let writes = Inventory::decide(&command, &States::new(states), NOW)?;
    Ok(writes.into_iter().map(|write| (write.event, write.key, write.state)).collect())
}

#[test]
fn what_nobody_committed_expires_when_its_time_is_over() {
    let (early, due) = (NOW + Duration::microseconds(1), NOW);
    assert_eq!(expire_at(Held, early), Ok(vec![]));
    let expired = Reservation { expire_time: Some(due), ..reservation(Expired) };
    let (key, state) = stored(expired);
    let expected = vec![
        becomes("StockExpired", "file", 10, 0),
        becomes("StockExpired", "saw", 10, 0),
        ("ReservationExpired", Key::held(due, "o-1"), None),
        ("ReservationExpired", key, Some(state)),
    ];
    assert_eq!(expire_at(Held, due), Ok(expected));
}

#[test]
fn only_what_is_held_expires() {
    for state in [Committed, Released, Expired] {
        assert_eq!(expire_at(state, NOW), Ok(vec![]), "{state:?}");
    }
    let command = Command::Expire { reservation_id: id(), claim: Claim::default() };
    given::<Inventory>([]).when(command).then_nothing();
}

#[test]
fn what_is_held_sorts_by_its_time() {
    let second = |n: i64| OffsetDateTime::UNIX_EPOCH + Duration::seconds(n);
    let keys = [
        Key::held(second(0), "z"),
        Key::held(second(9), "b"),
        Key::held(second(10), "a"),
        Key::held(later(), "a"),
        Key::held(later(), "b"),
    ];
    assert!(keys.is_sorted(), "{keys:?}");
}
