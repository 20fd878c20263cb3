//! Who is subscribed, what they were sent, and how it ended. The labels are closed sets: no consumer can
//! grow them.

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, UpDownCounter},
};

use crate::{fault::Reason, telemetry::SCOPE};

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    subscribers: UpDownCounter<i64>,
    changes: Counter<u64>,
    rows: Counter<u64>,
    ended: Counter<u64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let meter = global::meter(SCOPE);
        Self {
            subscribers: meter
                .i64_up_down_counter("tributary.feed.subscribers")
                .with_description("Subscribers that are being served.")
                .build(),
            changes: meter
                .u64_counter("tributary.feed.changes.sent")
                .with_description("Changes handed to subscribers.")
                .build(),
            rows: meter
                .u64_counter("tributary.feed.rows.sent")
                .with_description("Rows of snapshots handed to subscribers.")
                .build(),
            ended: meter
                .u64_counter("tributary.feed.subscriptions.ended")
                .with_description("Subscriptions that ended, by reason; LEFT when the subscriber went away.")
                .build(),
        }
    }

    /// Counts a subscriber until it is dropped.
    pub(super) fn subscribed(&self) -> Subscribed {
        self.subscribers.add(1, &[]);
        Subscribed(self.subscribers.clone())
    }

    pub(super) fn changes(&self, count: usize) {
        self.changes.add(count as u64, &[]);
    }

    pub(super) fn rows(&self, count: usize) {
        self.rows.add(count as u64, &[]);
    }

    /// `None` when the subscriber went away by itself.
    pub(super) fn ended(&self, reason: Option<Reason>) {
        self.ended.add(1, &[KeyValue::new("reason", reason.map_or("LEFT", Reason::name))]);
    }
}

/// A subscriber that is being served.
#[derive(Debug)]
pub(super) struct Subscribed(UpDownCounter<i64>);

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}
