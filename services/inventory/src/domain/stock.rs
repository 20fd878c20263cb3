//! Stock items: what is on the shelf, and how much of it is reserved.

use tributary_chassis::{
    outbox::{States, Write},
    validate::Violations,
};

use super::{Inventory, Key, STOCK_ITEM, State};
use crate::error::Rejection;

/// The most that callers can bring on hand.
pub(crate) const MAX_ON_HAND: i64 = 1_000_000_000_000;
/// The most that arrives, or is corrected, at once.
const MAX_MOVED: i64 = 1_000_000_000;

/// A product that is stock-managed. Always 0 <= reserved <= on_hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StockItem {
    /// What is reserved included.
    pub on_hand: i64,
    /// Sum over the reservations that are held.
    pub reserved: i64,
}

impl StockItem {
    /// What can still be reserved.
    pub(crate) fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }

    /// The item with so much more on hand and reserved; `None` if the shelf does not allow it. Whatever
    /// changes an item goes through here.
    pub(crate) fn moved(&self, on_hand: i64, reserved: i64) -> Option<Self> {
        let on_hand = self.on_hand.checked_add(on_hand)?;
        let reserved = self.reserved.checked_add(reserved)?;
        (0 <= reserved && reserved <= on_hand).then_some(Self { on_hand, reserved })
    }
}

/// Notes whether so much cannot be on hand.
pub(crate) fn check_on_hand(on_hand: i64, violations: &mut Violations) {
    violations.int("on_hand", on_hand, 0, MAX_ON_HAND);
}

/// Notes whether so much cannot arrive.
pub(crate) fn check_quantity(quantity: i64, violations: &mut Violations) {
    violations.int("quantity", quantity, 1, MAX_MOVED);
}

/// Notes whether an adjustment is out of bounds.
pub(crate) fn check_delta(delta: i64, violations: &mut Violations) {
    violations.int("delta", delta, -MAX_MOVED, MAX_MOVED);
    violations.check(delta != 0, "delta", "is 0, which adjusts nothing: give the difference");
}

/// Notes whether the reason of an adjustment is out of bounds.
pub(crate) fn check_reason(reason: &str, violations: &mut Violations) {
    violations.text("reason", reason, 1, 200);
}

/// The item of a product that is stock-managed.
///
/// # Panics
///
/// If something else is kept under its key: the store is corrupt.
pub(super) fn item<'s>(states: &'s States<Inventory>, sku: &str) -> Option<&'s StockItem> {
    match &states.get(&Key::Item(sku.to_owned()))?.state {
        State::Item(item) => Some(item),
        other => unreachable!("stock item `{sku}` is kept as {other:?}"),
    }
}

/// An item as a command leaves it.
pub(super) fn write(sku: &str, item: Option<StockItem>, event: &'static str) -> Write<Inventory> {
    Write { key: Key::Item(sku.to_owned()), state: item.map(State::Item), event }
}

type Decided = Result<Vec<Write<Inventory>>, Rejection>;

pub(super) fn create(states: &States<Inventory>, sku: &str, on_hand: i64) -> Decided {
    STOCK_ITEM.vacant(states, &Key::Item(sku.to_owned()))?;
    Ok(vec![write(sku, Some(StockItem { on_hand, reserved: 0 }), "StockItemCreated")])
}

pub(super) fn receive(states: &States<Inventory>, sku: &str, quantity: i64) -> Decided {
    let item = counted(current(states, sku, "")?, sku, quantity)?;
    Ok(vec![write(sku, Some(item), "StockReceived")])
}

pub(super) fn adjust(states: &States<Inventory>, sku: &str, delta: i64, etag: &str) -> Decided {
    let item = counted(current(states, sku, etag)?, sku, delta)?;
    Ok(vec![write(sku, Some(item), "StockAdjusted")])
}

pub(super) fn delete(states: &States<Inventory>, sku: &str, etag: &str) -> Decided {
    match current(states, sku, etag)?.reserved {
        0 => Ok(vec![write(sku, None, "StockItemDeleted")]),
        reserved => Err(Rejection::Reserved { sku: sku.to_owned(), reserved }),
    }
}

fn current<'s>(states: &'s States<Inventory>, sku: &str, etag: &str) -> Result<&'s StockItem, Rejection> {
    STOCK_ITEM.current(states, &Key::Item(sku.to_owned()), etag)?;
    item(states, sku).ok_or_else(|| STOCK_ITEM.not_found(sku).into())
}

/// The item with so much more on hand, or less. What was put back may be above the limit already, and can
/// always be adjusted down.
fn counted(item: &StockItem, sku: &str, delta: i64) -> Result<StockItem, Rejection> {
    let too_many = delta > 0 && item.on_hand.checked_add(delta).is_none_or(|sum| sum > MAX_ON_HAND);
    if too_many {
        return Err(Rejection::TooMany { sku: sku.to_owned(), on_hand: item.on_hand });
    }
    item.moved(delta, 0).ok_or(Rejection::Reserved { sku: sku.to_owned(), reserved: item.reserved })
}
