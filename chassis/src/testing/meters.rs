//! What a test measures, as /metrics would show it.

use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};

/// Meters of a test alone, and what they were told.
#[derive(Debug)]
pub struct Meters {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Meters {
    /// Nothing is told yet.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let pull = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let pull = pull.scope_info_enabled(false).build();
        let pull = pull.unwrap_or_else(|error| panic!("an empty registry takes everything: {error}"));
        Self { provider: SdkMeterProvider::builder().with_reader(pull).build(), registry }
    }

    /// Of which the meters are to be had.
    pub fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }

    /// The samples of now, as text: a name, labels in order, and the value.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.unwrap_or_else(|error| panic!("what was gathered is text: {error}"));
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The value of a sample, given as it is written: `name`, or `name{label="value"}`.
    pub fn value(&self, sample: &str) -> Option<f64> {
        let text = self.text();
        let found = text.lines().filter_map(|line| line.rsplit_once(' ')).find(|(name, _)| *name == sample);
        found.map(|(_, value)| value.parse().unwrap_or_else(|_| panic!("{sample} is {value}")))
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}
