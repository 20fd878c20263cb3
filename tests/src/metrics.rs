//! What a process measures, as its /metrics says, and what docs/metrics.md says of it.

mod document;
mod promql;

use std::collections::{BTreeMap, BTreeSet};

pub use document::{Documented, documented};
pub use promql::{Names, names, word};

use crate::process::Process;

/// The label of buckets, which is nobody's own.
const BUCKET: &str = "le";

/// What one process serves at one time.
#[derive(Clone, Debug, Default)]
pub struct Scraped {
    /// By name.
    pub metrics: BTreeMap<String, Metric>,
    samples: BTreeMap<String, f64>,
}

/// A metric that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metric {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Of any of its samples.
    pub labels: BTreeSet<String>,
    /// Whether it says what it is.
    pub has_help: bool,
}

impl Scraped {
    /// Asks a process.
    pub async fn from(process: &Process) -> Self {
        Self::parse(&process.metrics().await)
    }

    fn parse(text: &str) -> Self {
        let mut scraped = Self::default();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let (what, rest) = rest.split_once(' ').expect("a comment of Prometheus");
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let metric = scraped.metrics.entry(name.to_owned()).or_default();
                name.clone_into(&mut current);
                match what {
                    "HELP" => metric.has_help = !rest.is_empty(),
                    "TYPE" => rest.clone_into(&mut metric.kind),
                    other => panic!("{other}: {line}"),
                }
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
            assert!(sample.starts_with(&current), "{sample} below {current}");
            let metric = scraped.metrics.get_mut(&current).expect("what a sample is of");
            metric.labels.extend(labels(sample));
            scraped.samples.insert(sample.to_owned(), value.parse().expect("a number"));
        }
        scraped
    }

    /// The value of a sample as it is written: `name`, or `name{label="value"}` with labels in order of name.
    pub fn value(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }

    /// The samples of this name, whatever their labels.
    pub fn samples(&self, name: &str) -> BTreeMap<&str, f64> {
        let of = |sample: &&String| sample.split('{').next() == Some(name);
        self.samples.iter().filter(|(sample, _)| of(sample)).map(|(s, value)| (s.as_str(), *value)).collect()
    }
}

/// The names of a sample's labels. No value of ours has a quote or a comma in it.
fn labels(sample: &str) -> impl Iterator<Item = String> {
    let labels = sample.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
    let names = labels.split(',').filter_map(|label| label.split_once('=').map(|(name, _)| name));
    names.filter(|name| *name != BUCKET).map(str::to_owned)
}
