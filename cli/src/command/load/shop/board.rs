//! Where the orders of a run are, and when one of them last moved.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use super::reply::{Order, OrderState};

/// The orders that were placed.
#[derive(Debug)]
pub(super) struct Board {
    /// Of which something more is expected.
    open: BTreeMap<String, OrderState>,
    settled: BTreeMap<OrderState, u64>,
    moved: Instant,
}

impl Board {
    /// No order yet.
    pub(super) fn new() -> Self {
        Self { open: BTreeMap::new(), settled: BTreeMap::new(), moved: Instant::now() }
    }

    /// An order as some reply tells it.
    pub(super) fn note(&mut self, order: &Order) {
        if self.open.insert(order.order_id.clone(), order.state) != Some(order.state) {
            self.moved = Instant::now();
        }
    }

    /// Nothing more is expected of an order.
    pub(super) fn settle(&mut self, order: &Order) {
        self.open.remove(&order.order_id);
        *self.settled.entry(order.state).or_default() += 1;
        self.moved = Instant::now();
    }

    /// For how long no order has moved.
    pub(super) fn stands_still(&self) -> Duration {
        self.moved.elapsed()
    }

    /// Those of which something more is expected.
    pub(super) fn open(&self) -> &BTreeMap<String, OrderState> {
        &self.open
    }

    /// How many were placed.
    pub(super) fn placed(&self) -> u64 {
        self.open.len() as u64 + self.settled.values().sum::<u64>()
    }

    /// `PLACED 3, CONFIRMED 40, CANCELLED 2`.
    pub(super) fn by_state(&self) -> String {
        let mut states = self.settled.clone();
        self.open.values().for_each(|state| *states.entry(*state).or_default() += 1);
        let mut text = String::new();
        for (state, count) in states {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{} {count}", state.name());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::load::shop::reply::Money;

    fn order(id: &str, state: OrderState) -> Order {
        Order {
            order_id: id.into(),
            customer_id: String::new(),
            state,
            lines: Vec::new(),
            total: Money { currency_code: "EUR".into(), minor_units: 0 },
            payment_method: String::new(),
            cancel_cause: String::new(),
            confirm_time: None,
        }
    }

    #[test]
    fn an_order_counts_once_wherever_it_is() {
        let mut board = Board::new();
        for state in [OrderState::Placed, OrderState::Confirmed] {
            board.note(&order("a", state));
            board.note(&order("b", state));
        }
        assert_eq!((board.by_state().as_str(), board.open().len()), ("CONFIRMED 2", 2));
        board.settle(&order("b", OrderState::Delivered));
        assert_eq!((board.by_state().as_str(), board.placed()), ("CONFIRMED 1, DELIVERED 1", 2));
        assert_eq!(board.open().keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn to_be_seen_again_is_not_to_move() {
        let mut board = Board::new();
        board.note(&order("a", OrderState::Placed));
        let moved = board.moved;
        board.note(&order("a", OrderState::Placed));
        assert_eq!(board.moved, moved);
    }
}
