//! How long views take to follow, and what waits for the writer. The only label is a view's name, which operators choose.

use std::time::Duration;

use opentelemetry::{
    KeyValue, global,
    metrics::{Histogram, Meter, UpDownCounter},
};

/// From a view that looks up one row to one that computes a large group anew.
const SECONDS: [f64; 13] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

/// Of all views.
#[derive(Clone, Debug)]
pub(super) struct Maintenance(Histogram<f64>);

impl Maintenance {
    fn new(meter: &Meter) -> Self {
        let text = "How long a view took to follow what a transaction changed in one table.";
        let histogram = meter.f64_histogram("tributary.view.maintenance.duration").with_description(text);
        Self(histogram.with_unit("s").with_boundaries(SECONDS.to_vec()).build())
    }

    pub(super) fn ran(&self, view: &str, took: Duration) {
        self.0.record(took.as_secs_f64(), &[KeyValue::new("view", view.to_owned())]);
    }
}

impl Default for Maintenance {
    fn default() -> Self {
        Self::new(&global::meter("tributary"))
    }
}

/// What waits for the writer.
#[derive(Clone, Debug)]
pub(super) struct Depth {
    changes: UpDownCounter<i64>,
    bytes: UpDownCounter<i64>,
}

impl Depth {
    /// Told as 0 from the start.
    pub(super) fn new(meter: &Meter) -> Self {
        let depth = Self {
            changes: meter
                .i64_up_down_counter("tributary.apply.queue.changes")
                .with_description("Changes and rows of snapshots that are decoded and wait for the writer.")
                .build(),
            bytes: meter
                .i64_up_down_counter("tributary.apply.queue.size")
                .with_description("Their bytes on the wire.")
                .with_unit("By")
                .build(),
        };
        depth.add(0, 0);
        depth
    }

    /// Counts as waiting until it is dropped.
    pub(super) fn waiting(&self, changes: usize, bytes: usize) -> Waiting {
        let waiting = Waiting { depth: self.clone(), changes: changes as i64, bytes: bytes as i64 };
        self.add(waiting.changes, waiting.bytes);
        waiting
    }

    fn add(&self, changes: i64, bytes: i64) {
        self.changes.add(changes, &[]);
        self.bytes.add(bytes, &[]);
    }
}

/// Something that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    depth: Depth,
    changes: i64,
    bytes: i64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.depth.add(-self.changes, -self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use tributary_chassis::testing::Meters;

    use super::*;

    #[test]
    fn a_view_is_told_by_its_name() {
        let meters = Meters::new();
        let maintenance = Maintenance::new(&meters.provider().meter("test"));
        maintenance.ran("sales", Duration::from_millis(3));
        maintenance.ran("sales", Duration::from_millis(4));
        let told = |what: &str| meters.value(&format!("tributary_view_maintenance_duration_seconds_{what}"));
        assert_eq!(told("count{view=\"sales\"}"), Some(2.0));
        assert_eq!(told("sum{view=\"sales\"}"), Some(0.007));
        assert_eq!(told("bucket{view=\"sales\",le=\"0.0025\"}"), Some(0.0));
        assert_eq!(told("bucket{view=\"sales\",le=\"0.005\"}"), Some(2.0));
    }
}
