//! Reservations: what they hold, and which states they go through.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tributary_chassis::validate::Violations;

use super::Key;

/// How many lines a reservation has at most.
pub(super) const MAX_LINES: usize = 256;
/// How many pieces a line has at most.
const MAX_QUANTITY: i64 = 1_000_000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Of the product; may repeat.
    pub sku: String,
    /// 1 to 1,000,000.
    pub quantity: i64,
}

/// Notes which lines are out of bounds.
pub(crate) fn check_lines(lines: &[Line], violations: &mut Violations) {
    violations.count("lines", lines.len(), 1, MAX_LINES);
    for (i, line) in lines.iter().enumerate().take(MAX_LINES) {
        violations.id(format!("lines[{i}].sku"), &line.sku);
        violations.int(format!("lines[{i}].quantity"), line.quantity, 1, MAX_QUANTITY);
    }
}

/// A line as it was reserved; never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReservedLine {
    /// Of the product.
    pub sku: String,
    /// 1 to 1,000,000.
    pub quantity: i64,
    /// Whether there was a stock item. If not, nothing is counted, whatever comes later.
    pub managed: bool,
}

/// What is kept for an order. Never deleted, so that whatever comes late finds what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// How far it is.
    pub state: ReservationState,
    /// Until when it is, or was, held. `None` if nothing was to be held. Never changes.
    pub expire_time: Option<OffsetDateTime>,
    /// As asked for, in that order; none if it was released before it was made.
    pub lines: Vec<ReservedLine>,
}

impl Reservation {
    /// Released before it was made.
    pub(crate) fn tombstone() -> Self {
        Self { state: ReservationState::Released, expire_time: None, lines: Vec::new() }
    }

    /// Whether it was made for these lines.
    pub(crate) fn is_for(&self, lines: &[Line]) -> bool {
        let same =
            |(mine, asked): (&ReservedLine, &Line)| mine.sku == asked.sku && mine.quantity == asked.quantity;
        self.lines.len() == lines.len() && self.lines.iter().zip(lines).all(same)
    }

    /// What is counted of it, by sku, summed over its lines.
    pub(crate) fn quantities(&self) -> BTreeMap<&str, i64> {
        let mut quantities = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.managed) {
            *quantities.entry(line.sku.as_str()).or_default() += line.quantity;
        }
        quantities
    }

    /// What a command about it touches.
    pub(crate) fn claim(&self) -> Claim {
        let skus = self.quantities().into_keys().map(str::to_owned).collect();
        Claim { expire_time: self.expire_time, skus }
    }
}

/// What a command about a reservation touches besides it. Follows from what never changes in it, so that it
/// can be read before the command is decided. The default is that of a reservation that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    /// See [`Reservation::expire_time`].
    pub expire_time: Option<OffsetDateTime>,
    /// Of the stock items that it counts on; sorted, each once.
    pub skus: Vec<String>,
}

impl Claim {
    /// Every key that a command about the reservation looks at or writes.
    pub(super) fn keys(&self, reservation_id: &str) -> Vec<Key> {
        let held = self.expire_time.map(|expire_time| Key::held(expire_time, reservation_id));
        let items = self.skus.iter().cloned().map(Key::Item);
        Key::of_reservation(reservation_id).into_iter().chain(held).chain(items).collect()
    }
}

/// What is done to a reservation that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The order goes ahead.
    Commit,
    /// The order does not.
    Release,
    /// Nobody said in time.
    Expire,
}

/// How far a reservation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReservationState {
    /// Held => (Committed | Released | Expired).
    Held,
    /// Committed => Released.
    Committed,
    /// Final.
    Released,
    /// Expired => (Committed | Released).
    Expired,
}

/// What a step does to a reservation, and to the items that it counts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(super) to: ReservationState,
    /// By how many times the quantity of a line the item's `on_hand` grows.
    pub(super) on_hand: i64,
    /// As `on_hand`, for `reserved`.
    pub(super) reserved: i64,
    /// What happened to the item.
    pub(super) event: &'static str,
}

/// A reservation is made of what is available.
pub(super) const HOLD: Transition =
    Transition { to: ReservationState::Held, on_hand: 0, reserved: 1, event: "StockReserved" };

/// A step that is not possible any more, since the reservation was given back for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlreadyReleased;

impl ReservationState {
    /// What `step` does; `None` where it is done already, or came too late to do anything.
    pub(super) fn after(self, step: Step) -> Result<Option<Transition>, AlreadyReleased> {
        use ReservationState::{Committed, Expired, Held, Released};
        let go = |to, on_hand, reserved, event| Ok(Some(Transition { to, on_hand, reserved, event }));
        match (self, step) {
            (Held, Step::Commit) => go(Committed, -1, -1, "StockCommitted"),
            (Held, Step::Release) => go(Released, 0, -1, "StockReleased"),
            (Held, Step::Expire) => go(Expired, 0, -1, "StockExpired"),
            // Held again and committed, in one: nobody can come in between.
            (Expired, Step::Commit) => go(Committed, -1, 0, "StockCommitted"),
            (Expired, Step::Release) => go(Released, 0, 0, "StockReleased"),
            (Committed, Step::Release) => go(Released, 1, 0, "StockReturned"),
            (Released, Step::Commit) => Err(AlreadyReleased),
            (Committed, Step::Commit | Step::Expire)
            | (Released, Step::Release | Step::Expire)
            | (Expired, Step::Expire) => Ok(None),
        }
    }
}
