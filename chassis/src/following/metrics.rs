//! How the following of one source goes. The only label is the source, which the service's code names.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Meter},
};

use super::State;

pub(super) struct Metrics {
    source: [KeyValue; 1],
    connected: Gauge<u64>,
    stopped: Gauge<u64>,
    lag: Gauge<u64>,
    changes: Counter<u64>,
    snapshots: Counter<u64>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter, source: &'static str) -> Self {
        let gauge =
            |name: &'static str, text: &'static str| meter.u64_gauge(name).with_description(text).build();
        let counter =
            |name: &'static str, text: &'static str| meter.u64_counter(name).with_description(text).build();
        Self {
            source: [KeyValue::new("source", source)],
            connected: gauge("tributary.following.connected", "1 while the source is followed, else 0."),
            stopped: gauge("tributary.following.stopped", "1 when it needs somebody to look, else 0."),
            lag: gauge("tributary.following.lag", "Changes that the source has and that had no effect yet."),
            changes: counter("tributary.following.changes", "Changes and rows that had their effect."),
            snapshots: counter("tributary.following.snapshots", "Snapshots that were begun."),
        }
    }

    pub(super) fn state(&self, state: &State) {
        self.connected.record(u64::from(*state == State::Connected), &self.source);
        self.stopped.record(u64::from(matches!(state, State::Stopped { .. })), &self.source);
    }

    pub(super) fn lag(&self, changes: u64) {
        self.lag.record(changes, &self.source);
    }

    pub(super) fn done(&self, changes: usize) {
        self.changes.add(changes as u64, &self.source);
    }

    pub(super) fn snapshot(&self) {
        self.snapshots.add(1, &self.source);
    }
}
