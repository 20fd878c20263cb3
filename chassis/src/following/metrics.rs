//! How the following of one source goes. The only label is the source, which the service's code names.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Meter},
};
use time::OffsetDateTime;

use super::State;
use crate::feed::Clock;

/// Clones are the same.
#[derive(Clone)]
pub(super) struct Metrics {
    source: [KeyValue; 1],
    connected: Gauge<u64>,
    stopped: Gauge<u64>,
    changes: Counter<u64>,
    snapshots: Counter<u64>,
    place: Arc<Mutex<Place>>,
}

/// Where the source is, and where its follower.
#[derive(Debug, Default)]
struct Place {
    /// The last position of the source that was heard of.
    head: u64,
    clock: Clock,
    /// Everything through here had its effects.
    applied: u64,
    /// When the last change of that was committed that is known, in microseconds.
    commit_time: Option<i64>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter, source: &'static str) -> Self {
        let gauge =
            |name: &'static str, text: &'static str| meter.u64_gauge(name).with_description(text).build();
        let counter =
            |name: &'static str, text: &'static str| meter.u64_counter(name).with_description(text).build();
        let place = Arc::default();
        observe(meter, source, &place);
        Self {
            source: [KeyValue::new("source", source)],
            connected: gauge("tributary.following.connected", "1 while the source is followed, else 0."),
            stopped: gauge("tributary.following.stopped", "1 when it needs somebody to look, else 0."),
            changes: counter("tributary.following.changes", "Changes and rows that had their effect."),
            snapshots: counter("tributary.following.snapshots", "Snapshots that were begun."),
            place,
        }
    }

    pub(super) fn state(&self, state: &State) {
        self.connected.record(u64::from(*state == State::Connected), &self.source);
        self.stopped.record(u64::from(matches!(state, State::Stopped { .. })), &self.source);
    }

    /// The source is reached, and has changes up to `head`.
    pub(super) fn connected(&self, head: u64) {
        self.change(|place| {
            place.head = head;
            place.clock.connected();
        });
    }

    /// Changes behind `after` up to `through` were received; when the first was committed, in microseconds.
    pub(super) fn received(&self, after: u64, through: u64, commit_time: Option<i64>) {
        self.change(|place| {
            place.head = place.head.max(through);
            if let Some(commit_time) = commit_time {
                place.clock.received(after, commit_time);
            }
        });
    }

    /// The source told its clock and its head.
    pub(super) fn told(&self, now: OffsetDateTime, head: u64) {
        self.change(|place| {
            place.head = place.head.max(head);
            place.clock.tell(now, head, place.applied);
        });
    }

    /// Everything through here had its effects. Where the time of the last change is not known, it is not before that of
    /// the one known last.
    pub(super) fn reached(&self, applied: u64, commit_time: Option<i64>) {
        self.change(|place| {
            place.applied = applied;
            place.clock.applied(applied);
            place.commit_time = commit_time.or(place.commit_time);
        });
    }

    /// It is another history from here on.
    pub(super) fn forget(&self) {
        self.change(|place| *place = Place::default());
    }

    pub(super) fn done(&self, changes: usize) {
        self.changes.add(changes as u64, &self.source);
    }

    pub(super) fn snapshot(&self) {
        self.snapshots.add(1, &self.source);
    }

    fn change(&self, change: impl FnOnce(&mut Place)) {
        change(&mut self.place.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What is true at the moment somebody looks: a source that is silent makes no change here, and its follower older.
fn observe(meter: &Meter, source: &'static str, place: &Arc<Mutex<Place>>) {
    let gauge = |name: &'static str, text: &'static str, value: fn(&Place) -> Option<f64>| {
        let place = Arc::downgrade(place);
        meter
            .f64_observable_gauge(name)
            .with_description(text)
            .with_callback(move |gauge| {
                let Some(place) = place.upgrade() else { return };
                if let Some(value) = value(&place.lock().unwrap_or_else(PoisonError::into_inner)) {
                    gauge.observe(value, &[KeyValue::new("source", source)]);
                }
            })
            .build();
    };
    let lag = "Changes that the source has, as far as was heard, and that had no effect yet.";
    gauge("tributary.following.lag", lag, |place| Some(place.head.saturating_sub(place.applied) as f64));
    let age = "Seconds for which the effects may have been outdated, by the source's clock.";
    gauge("tributary.following.lag_seconds", age, |place| {
        place.clock.lag(place.applied, place.commit_time).map(|lag| lag.as_secs_f64())
    });
}
