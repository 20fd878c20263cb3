//! How many addresses a callee has, by what can be said of them.

use std::sync::Arc;

use opentelemetry::{KeyValue, metrics::Meter};

use super::{balancer::Endpoints, health::Health, pick::Standing};
const STATES: [&str; 5] = ["SERVING", "UNKNOWN", "NOT_SERVING", "LOST", "EJECTED"];

/// Tells it for as long as the callee can be called.
pub(super) fn observe(meter: &Meter, endpoints: &Arc<Endpoints>) {
    let endpoints = Arc::downgrade(endpoints);
    meter
        .u64_observable_gauge("tributary.outbound.endpoints")
        .with_description("Addresses of another service, by state.")
        .with_callback(move |gauge| {
            let Some(endpoints) = endpoints.upgrade() else { return };
            let states: Vec<_> = endpoints.made().iter().map(|endpoint| state(endpoint.standing())).collect();
            for state in STATES {
                let count = states.iter().filter(|known| **known == state).count();
                let service = KeyValue::new("peer.service", endpoints.service().to_owned());
                gauge.observe(count as u64, &[service, KeyValue::new("state", state)]);
            }
        })
        .build();
}

fn state(standing: Standing) -> &'static str {
    match standing {
        Standing { refused: true, .. } => "EJECTED",
        Standing { health: Health::Serving, .. } => "SERVING",
        Standing { health: Health::Unknown, .. } => "UNKNOWN",
        Standing { health: Health::NotServing, .. } => "NOT_SERVING",
        Standing { health: Health::Lost, .. } => "LOST",
    }
}
