//! Who is subscribed, what they were sent, how it ended, and how far behind each is. Labels are closed sets, but for
//! the names of consumers, of which only so many are known.

use std::sync::{Arc, Weak};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Meter, UpDownCounter},
};

use super::consumers::{self, Lag};
use crate::{fault::Reason, telemetry::SCOPE};

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    subscribers: UpDownCounter<i64>,
    changes: Counter<u64>,
    rows: Counter<u64>,
    ended: Counter<u64>,
}

impl Metrics {
    pub(super) fn new(consumers: &Arc<consumers::Shared>) -> Self {
        let meter = global::meter(SCOPE);
        observe(&meter, &Arc::downgrade(consumers));
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

/// What is true at the moment somebody looks; for as long as the feed is there.
fn observe(meter: &Meter, feed: &Weak<consumers::Shared>) {
    let consumers = feed.clone();
    meter
        .u64_observable_gauge("tributary.feed.head")
        .with_description("The last durable position.")
        .with_callback(move |head| {
            if let Some(feed) = consumers.upgrade() {
                head.observe(feed.head(), &[]);
            }
        })
        .build();
    let of_each = |name: &'static str, text: &'static str, value: fn(&Lag) -> Option<f64>| {
        let consumers = feed.clone();
        let observe = move |lag: Lag| Some((value(&lag)?, KeyValue::new("consumer", lag.consumer)));
        meter
            .f64_observable_gauge(name)
            .with_description(text)
            .with_callback(move |gauge| {
                let lags = consumers.upgrade().map(|feed| feed.lags()).unwrap_or_default();
                lags.into_iter().filter_map(observe).for_each(|(value, name)| gauge.observe(value, &[name]));
            })
            .build();
    };
    let connected = "1 while a consumer that has subscribed is connected, else 0.";
    of_each("tributary.feed.consumer.connected", connected, |lag| Some(f64::from(u8::from(lag.connected))));
    let changes = "Changes that a consumer does not have, by what it acknowledged.";
    of_each("tributary.feed.consumer.lag", changes, |lag| lag.behind.map(|(changes, _)| changes as f64));
    let age = "Seconds since the first change was committed that a consumer does not have.";
    of_each("tributary.feed.consumer.lag_seconds", age, |lag| lag.behind.map(|(_, age)| age.as_secs_f64()));
}

/// A subscriber that is being served.
#[derive(Debug)]
pub(super) struct Subscribed(UpDownCounter<i64>);

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}
