//! Logs to standard error; traces, metrics and logs by OTLP where an endpoint is given, and metrics for who
//! comes to fetch them.

mod export;
mod fields;
mod logs;
mod sampler;
#[cfg(test)]
mod tests;

use std::{panic, time::Duration};

use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::{
    logs::SdkLoggerProvider, metrics::SdkMeterProvider, propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, layer::SubscriberExt as _, registry::LookupSpan, util::SubscriberInitExt as _,
};

use crate::{run::StartError, settings::LogFormat};

/// Where traces, metrics and logs go; nowhere when it is not set.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// How long an export may take, and how long the last ones may to leave. A collector that is gone costs no more.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Name of our instruments and spans.
pub(crate) const SCOPE: &str = "tributary";
/// Buckets of durations: from a call that finds everything in memory to one that waits for its deadline.
pub(crate) const SECONDS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What has been set up, to be shut down as the last thing.
#[derive(Debug)]
pub(crate) struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
    registry: prometheus::Registry,
}

/// Sets up logs, traces and metrics of the process; once, inside of the runtime.
pub(crate) fn start(service: &str, format: LogFormat) -> Result<Telemetry, StartError> {
    let resource = export::resource(service);
    let registry = prometheus::Registry::new();
    let traces = export::traces(resource.clone(), export::leaves("OTEL_TRACES_EXPORTER")?)?;
    let logs_leave = export::leaves("OTEL_LOGS_EXPORTER")?;
    let logs = export::logs(resource.clone(), logs_leave)?;
    let metrics = export::metrics(resource, export::leaves("OTEL_METRICS_EXPORTER")?, &registry)?;

    // Always: a context that came in goes on to whoever is called, whether we trace or not.
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(traces.clone());
    global::set_meter_provider(metrics.clone());
    let log_layers = logs::layers(format, logs_leave.then_some(&logs))?;
    tracing_subscriber::registry()
        .with(log_layers)
        .with(trace_layer(&traces))
        .try_init()
        .map_err(|e| StartError::new("setting up logs", e))?;
    panic::set_hook(Box::new(logs::panicked));
    Ok(Telemetry { traces, metrics, logs, registry })
}

impl Telemetry {
    /// What /metrics shows.
    pub(crate) fn registry(&self) -> prometheus::Registry {
        self.registry.clone()
    }

    /// Sends what is left, within a bound. The exporters block until the runtime has carried their
    /// last request, so that this must not occupy a thread of the runtime; and each by itself, so that one that waits
    /// keeps no other.
    pub(crate) async fn shutdown(self) {
        let Self { traces, metrics, logs, .. } = self;
        let flushes = [
            tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH_TIMEOUT)),
            tokio::task::spawn_blocking(move || metrics.shutdown_with_timeout(FLUSH_TIMEOUT)),
            tokio::task::spawn_blocking(move || logs.shutdown_with_timeout(FLUSH_TIMEOUT)),
        ];
        match tokio::time::timeout(FLUSH_TIMEOUT, futures::future::join_all(flushes)).await {
            Ok(ended) => ended.into_iter().for_each(|ended| match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the last traces, metrics or logs were lost"),
                Err(error) => tracing::warn!(%error, "the last traces, metrics or logs were lost"),
            }),
            Err(_) => {
                tracing::warn!("the last traces, metrics or logs were lost: the collector does not answer");
            }
        }
    }
}

/// The libraries that carry the exporter's own calls are left out, or each export would give the next one something
/// to send.
fn without_exporter() -> Targets {
    let quiet = [
        "h2",
        "hyper",
        "hyper_util",
        "tonic",
        "tower",
        "opentelemetry",
        "opentelemetry_sdk",
        "opentelemetry_otlp",
    ];
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(quiet.map(|target| (target, LevelFilter::OFF)))
}

/// Spans become traces.
fn trace_layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = without_exporter().with_default(LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SCOPE))
        // What costs with every span and is of use to who works on the program alone.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter)
}
