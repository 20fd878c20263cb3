//! How many orders are unfinished, how long the oldest has not moved, and how many are stuck: what an
//! operator is to be woken for.

use std::time::Duration;

use opentelemetry::{KeyValue, global, metrics::Gauge};
use time::OffsetDateTime;
use tributary_chassis::outbox::Stored;

use crate::domain::{Order, OrderState};

const SAGA: &str = "order";

/// What one look at all unfinished orders tells.
#[derive(Debug, PartialEq)]
pub(super) struct Census {
    now: OffsetDateTime,
    stuck_after: Duration,
    placed: u64,
    cancelling: u64,
    oldest: Duration,
    stuck: u64,
}

impl Census {
    pub(super) fn new(now: OffsetDateTime, stuck_after: Duration) -> Self {
        Self { now, stuck_after, placed: 0, cancelling: 0, oldest: Duration::ZERO, stuck: 0 }
    }

    /// Counts an order. Its age is from when it was written last: whoever writes it moves it on.
    pub(super) fn count(&mut self, stored: &Stored<Order>) {
        match stored.state.state {
            OrderState::Placed => self.placed += 1,
            OrderState::Cancelling { .. } => self.cancelling += 1,
            OrderState::Confirmed
            | OrderState::Cancelled(_)
            | OrderState::Dispatched
            | OrderState::Delivered => return,
        }
        // A clock that was set back makes no age.
        let age = Duration::try_from(self.now - stored.update_time).unwrap_or_default();
        self.oldest = self.oldest.max(age);
        self.stuck += u64::from(age > self.stuck_after);
    }
}

/// As Prometheus sees them: `tributary_saga_unfinished`, `tributary_saga_oldest_seconds` and
/// `tributary_saga_stuck`.
#[derive(Debug)]
pub(super) struct Metrics {
    unfinished: Gauge<u64>,
    oldest: Gauge<f64>,
    stuck: Gauge<u64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let meter = global::meter("tributary");
        Self {
            unfinished: meter
                .u64_gauge("tributary.saga.unfinished")
                .with_description("Sagas that are not at their end, by state.")
                .build(),
            oldest: meter
                .f64_gauge("tributary.saga.oldest")
                .with_description(
                    "How long the unfinished saga that moved last the longest ago has not moved.",
                )
                .with_unit("s")
                .build(),
            stuck: meter
                .u64_gauge("tributary.saga.stuck")
                .with_description("Unfinished sagas that have not moved for longer than --saga-stuck-after.")
                .build(),
        }
    }

    pub(super) fn tell(&self, census: &Census) {
        let saga = || KeyValue::new("saga", SAGA);
        for (state, count) in [("PLACED", census.placed), ("CANCELLING", census.cancelling)] {
            self.unfinished.record(count, &[saga(), KeyValue::new("state", state)]);
        }
        self.oldest.record(census.oldest.as_secs_f64(), &[saga()]);
        self.stuck.record(census.stuck, &[saga()]);
    }
}

#[cfg(test)]
mod tests {
    use tributary_chassis::testing::NOW;

    use super::*;
    use crate::domain::{CancelCause, Cancellation, Payment};

    fn stored(state: OrderState, seconds_ago: i64) -> Stored<Order> {
        let order = Order {
            customer_id: "ada".to_owned(),
            state,
            payment: Payment::Invoice,
            confirm_time: None,
            order_time: NOW,
            currency_code: "EUR".to_owned(),
            total_minor_units: 0,
            lines: vec![],
            note: String::new(),
        };
        let update_time = NOW - time::Duration::seconds(seconds_ago);
        Stored { state: order, sequence: 1, version: 1, create_time: update_time, update_time }
    }

    #[test]
    fn what_is_unfinished_is_counted_by_state_and_age() {
        let cancellation = Cancellation { cause: CancelCause::Requested, reason: String::new() };
        let cancelling =
            OrderState::Cancelling { cancellation: cancellation.clone(), shipment_cancelled: false };
        let mut census = Census::new(NOW, Duration::from_secs(60));
        for (state, seconds_ago) in [
            (OrderState::Placed, -5),
            (OrderState::Placed, 60),
            (OrderState::Placed, 61),
            (cancelling, 90),
            (OrderState::Confirmed, 1_000),
            (OrderState::Cancelled(cancellation), 1_000),
            (OrderState::Dispatched, 1_000),
            (OrderState::Delivered, 1_000),
        ] {
            census.count(&stored(state, seconds_ago));
        }
        let stuck_after = Duration::from_secs(60);
        let oldest = Duration::from_secs(90);
        assert_eq!(census, Census { now: NOW, stuck_after, placed: 3, cancelling: 1, oldest, stuck: 2 });
    }
}
