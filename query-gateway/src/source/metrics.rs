//! How each source is doing. Labels are the names given by `--source`, and the states there are.

use std::collections::BTreeMap;

use opentelemetry::{KeyValue, metrics::Meter};
use tokio::sync::watch;

use super::{SourceState, SourceStatus};

const STATES: [SourceState; 6] = [
    SourceState::Connecting,
    SourceState::Snapshot,
    SourceState::CatchingUp,
    SourceState::Live,
    SourceState::Disconnected,
    SourceState::Stopped,
];

type Sources = watch::Receiver<BTreeMap<String, SourceStatus>>;

/// Tells of the sources whenever metrics are collected: as they are then, so that lag grows while nothing is heard.
pub(super) fn observe(meter: &Meter, sources: Sources) {
    let label = |name: &str| KeyValue::new("source", name.to_owned());
    let of = sources.clone();
    meter
        .u64_observable_gauge("tributary.source.lag")
        .with_description("Changes that the source is known to have and that are not applied.")
        .with_callback(move |observer| {
            for (name, status) in &*of.borrow() {
                if let Some(changes) = status.lag(status.applied).filter(|_| status.is_filled()) {
                    observer.observe(changes, &[label(name)]);
                }
            }
        })
        .build();
    let of = sources.clone();
    meter
        .f64_observable_gauge("tributary.source.lag_seconds")
        .with_description(
            "For how long what is applied may have been outdated, by the source's clock; grows while it is silent.",
        )
        .with_callback(move |observer| {
            for (name, status) in &*of.borrow() {
                let lag_ms = status.lag_ms(status.applied, status.commit_time);
                if let Some(ms) = lag_ms.filter(|_| status.is_filled()) {
                    observer.observe(ms as f64 / 1_000.0, &[label(name)]);
                }
            }
        })
        .build();
    meter
        .u64_observable_gauge("tributary.source.state")
        .with_description("1 for what the source is doing, 0 for everything else.")
        .with_callback(move |observer| {
            for (name, status) in &*sources.borrow() {
                for state in STATES {
                    let labels = [label(name), KeyValue::new("state", state.as_str_name())];
                    observer.observe(u64::from(status.state == state), &labels);
                }
            }
        })
        .build();
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use opentelemetry::metrics::MeterProvider as _;
    use time::OffsetDateTime;
    use tributary_chassis::{position::Position, testing::Meters, timestamp};

    use super::*;

    /// A source of the name `library`, and what is told of it.
    struct Watched {
        sources: watch::Sender<BTreeMap<String, SourceStatus>>,
        meters: Meters,
    }

    impl Watched {
        fn new() -> Self {
            let status = SourceStatus::new("library", "http://nowhere");
            let sources = watch::Sender::new(BTreeMap::from([("library".to_owned(), status)]));
            let meters = Meters::new();
            observe(&meters.provider().meter("test"), sources.subscribe());
            Self { sources, meters }
        }

        fn update(&self, change: impl FnOnce(&mut SourceStatus)) {
            self.sources.send_modify(|sources| change(sources.get_mut("library").unwrap()));
        }

        fn told(&self, what: &str) -> Option<f64> {
            self.meters.value(&format!("tributary_source_{what}{{source=\"library\"}}"))
        }

        fn states(&self) -> Vec<&'static str> {
            let is = |state: &&str| {
                let sample = format!("tributary_source_state{{source=\"library\",state=\"{state}\"}}");
                self.meters.value(&sample).unwrap() == 1.0
            };
            STATES.map(|state| state.as_str_name()).into_iter().filter(is).collect()
        }
    }

    #[test]
    fn lag_is_told_as_it_is_when_it_is_asked_for() {
        let watched = Watched::new();
        let clock = OffsetDateTime::now_utc() - time::Duration::days(3);
        assert_eq!((watched.told("lag"), watched.told("lag_seconds")), (None, None));
        watched.update(|status| {
            status.tell(clock, 5);
            let (service, epoch) = ("library".to_owned(), "e1".to_owned());
            status.applied(&Position { service, epoch, sequence: 3 });
            status.commit_time = Some(timestamp::micros(clock - time::Duration::seconds(9)));
        });
        assert_eq!(watched.told("lag"), Some(5.0 - 3.0));
        assert_eq!(watched.told("lag_seconds"), None, "its clock was that of another history");
        watched.update(|status| status.tell(clock, 5));
        let before = watched.told("lag_seconds").unwrap();
        assert!((9.0..9.9).contains(&before), "{before}");
        // Silence.
        thread::sleep(Duration::from_millis(50));
        let after = watched.told("lag_seconds").unwrap();
        assert!(after >= before + 0.05, "{after} after {before}");
    }

    #[test]
    fn a_source_has_one_state() {
        let watched = Watched::new();
        assert_eq!(watched.states(), ["CONNECTING"]);
        watched.update(|status| status.described("library", 2));
        assert_eq!(watched.states(), ["CATCHING_UP"]);
        watched.update(|status| status.filling(true));
        assert_eq!(watched.states(), ["SNAPSHOT"]);
        watched.update(|status| status.disconnected("gone".to_owned()));
        assert_eq!(watched.states(), ["DISCONNECTED"]);
        watched.update(|status| status.stopped("enough".to_owned()));
        assert_eq!(watched.states(), ["STOPPED"]);
    }
}
