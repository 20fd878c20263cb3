//! Messages from states, and what of them is published.

use shop_proto::inventory::v1 as proto;
use tributary_chassis::{
    outbox::{Entity, Published, States, Stored},
    resource, timestamp,
};

use crate::{
    domain::{Inventory, Key, ReservationState, ReservedLine, State, find},
    store::STOCK_ITEMS,
};

/// Reservations are nobody's business but of those that made them.
impl Published for Inventory {
    const ENTITIES: &'static [&'static str] = &[STOCK_ITEMS];

    fn publish(key: &Key, stored: Option<&Stored<State>>) -> Option<Entity> {
        let Key::Item(sku) = key else { return None };
        let key_alone = || proto::StockItem { sku: sku.clone(), ..Default::default() };
        let item = stored.map_or_else(key_alone, |stored| stock_item(sku, stored));
        Some(resource::entity(STOCK_ITEMS, sku, &item))
    }
}

/// # Panics
///
/// If something else is kept under its key: the store is corrupt.
pub(super) fn stock_item(sku: &str, stored: &Stored<State>) -> proto::StockItem {
    let item = match &stored.state {
        State::Item(item) => item,
        other => unreachable!("stock item `{sku}` is kept as {other:?}"),
    };
    proto::StockItem {
        sku: sku.to_owned(),
        on_hand: item.on_hand,
        reserved: item.reserved,
        available: item.available(),
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
    }
}

/// The reservation that these states are, if there is one.
pub(super) fn reservation(states: &States<Inventory>, id: &str) -> Option<proto::Reservation> {
    let reservation = find(states, id)?;
    let [first, _] = Key::of_reservation(id);
    let stored = states.get(&first)?;
    let state = match reservation.state {
        ReservationState::Held => proto::ReservationState::Held,
        ReservationState::Committed => proto::ReservationState::Committed,
        ReservationState::Released => proto::ReservationState::Released,
        ReservationState::Expired => proto::ReservationState::Expired,
    };
    let line = |ReservedLine { sku, quantity, managed }| proto::ReservedLine { sku, quantity, managed };
    Some(proto::Reservation {
        reservation_id: id.to_owned(),
        state: state.into(),
        lines: reservation.lines.into_iter().map(line).collect(),
        expire_time: reservation.expire_time.map(timestamp::to_proto),
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
    })
}

/// The reservation as an accepted command left it.
///
/// # Panics
///
/// If there is none: every command about a reservation leaves one.
pub(super) fn left(states: &States<Inventory>, id: &str) -> proto::Reservation {
    match reservation(states, id) {
        Some(message) => message,
        None => unreachable!("an accepted command left no reservation `{id}`"),
    }
}
