//! How large groups are, how long they take, who waits for the writer, and what the store takes on disk. Nothing has a
//! label: a process has one outbox.
//!
//! The writer notes a group after it has answered. What waits and what lies on disk is looked at when metrics are
//! collected, so that commands pay nothing for it.

use std::{sync::Weak, time::Duration};

use opentelemetry::metrics::{Histogram, Meter};

use super::{Shared, model::Published};
use crate::{store_size, telemetry::SECONDS};

/// Up to the largest group that is configured by default, and beyond.
const COMMANDS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];

/// What the writer notes.
#[derive(Debug)]
pub(super) struct Metrics {
    commands: Histogram<u64>,
    commit: Histogram<f64>,
    sync: Histogram<f64>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, text: &'static str| {
            let histogram = meter.f64_histogram(name).with_description(text);
            histogram.with_unit("s").with_boundaries(SECONDS.to_vec()).build()
        };
        Self {
            commands: meter
                .u64_histogram("tributary.outbox.group.commands")
                .with_description(
                    "Commands that were decided together and share one sync, rejected ones too.",
                )
                .with_boundaries(COMMANDS.to_vec())
                .build(),
            commit: seconds(
                "tributary.outbox.commit.duration",
                "From the begin of a group's transaction until it is durable.",
            ),
            sync: seconds("tributary.outbox.sync.duration", "How long the disk took of that."),
        }
    }

    /// A group is durable.
    pub(super) fn committed(&self, commands: usize, took: Duration) {
        self.commands.record(commands as u64, &[]);
        self.commit.record(took.as_secs_f64(), &[]);
    }

    pub(super) fn synced(&self, took: Duration) {
        self.sync.record(took.as_secs_f64(), &[]);
    }
}

/// Tells of an outbox as long as it is open. It is not kept open by that.
pub(super) fn observe<M: Published>(meter: &Meter, shared: Weak<Shared<M>>) {
    let waiting = Weak::clone(&shared);
    meter
        .u64_observable_gauge("tributary.outbox.queue")
        .with_description("Commands that wait for the writer.")
        .with_callback(move |observer| {
            if let Some(shared) = waiting.upgrade() {
                let queue = &shared.queue;
                observer.observe((queue.max_capacity() - queue.capacity()) as u64, &[]);
            }
        })
        .build();
    store_size::observe(meter, move || Some(shared.upgrade()?.log.reader.size()));
}
