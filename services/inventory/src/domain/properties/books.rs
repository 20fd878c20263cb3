//! What must be on hand and reserved, by addition alone.

use std::collections::BTreeMap;

use super::{Act, Reservation, ReservationState, World};

/// By sku of the items that exist: all that came and went since the item was created.
#[derive(Debug, Default)]
pub(super) struct Books {
    balances: BTreeMap<String, i64>,
}

impl Books {
    /// Books what an act that was accepted moved.
    pub(super) fn note(
        &mut self,
        act: &Act,
        accepted: bool,
        before: &BTreeMap<String, Reservation>,
        after: &World,
    ) {
        if !accepted {
            return;
        }
        match act {
            Act::Create { sku, on_hand } => drop(self.balances.insert(sku.clone(), *on_hand)),
            Act::Receive { sku, quantity: moved } | Act::Adjust { sku, delta: moved } => {
                *self.balances.get_mut(sku).unwrap() += moved;
            }
            Act::Delete { sku } => drop(self.balances.remove(sku)),
            Act::Commit { id } => self.book(before.get(id), &after.reservations()[id], -1),
            Act::Release { id } => self.book(before.get(id), &after.reservations()[id], 1),
            Act::Reserve { .. } | Act::Expire { .. } | Act::Pass { .. } => {}
        }
    }

    /// What is committed leaves, and what was committed and is released comes back, where there is a place.
    fn book(&mut self, before: Option<&Reservation>, after: &Reservation, sign: i64) {
        let is_committed = |r: &Reservation| r.state == ReservationState::Committed;
        let was = before.is_some_and(is_committed);
        if was == is_committed(after) {
            return;
        }
        for line in after.lines.iter().filter(|line| line.managed) {
            if let Some(balance) = self.balances.get_mut(&line.sku) {
                *balance += sign * line.quantity;
            }
        }
    }

    /// Whether the world is as the books say.
    pub(super) fn audit(&self, world: &World) -> Result<(), String> {
        let items = world.items();
        let on_hand: BTreeMap<String, i64> =
            items.iter().map(|(sku, item)| (sku.clone(), item.on_hand)).collect();
        if on_hand != self.balances {
            return Err(format!("{on_hand:?} are on hand, and should be {:?}", self.balances));
        }
        let mut reserved: BTreeMap<&str, i64> = items.keys().map(|sku| (sku.as_str(), 0)).collect();
        let reservations = world.reservations();
        let held = |(_, r): &(&String, &Reservation)| r.state == ReservationState::Held;
        for (id, reservation) in reservations.iter().filter(held) {
            for line in reservation.lines.iter().filter(|line| line.managed) {
                *reserved.get_mut(line.sku.as_str()).ok_or(format!("{id} holds what is gone"))? +=
                    line.quantity;
            }
        }
        for (sku, item) in &items {
            if item.reserved != reserved[sku.as_str()] || item.reserved < 0 || item.on_hand < item.reserved {
                return Err(format!("`{sku}` is {item:?}, and {} are held", reserved[sku.as_str()]));
            }
        }
        let ids = reservations.iter().filter(held).map(|(id, _)| id.clone()).collect();
        if world.held() != ids {
            return Err(format!("{:?} are marked as held, and {ids:?} are", world.held()));
        }
        Ok(())
    }
}
