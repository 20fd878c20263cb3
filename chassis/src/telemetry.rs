//! Logs to standard error, traces and metrics by OTLP where an endpoint is given, and metrics for who
//! comes to fetch them.

mod fields;
#[cfg(test)]
mod tests;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    io::{self, IsTerminal as _},
    panic::{self, PanicHookInfo},
    time::Duration,
};

use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use self::fields::FieldsForPeople;
use crate::{run::StartError, settings::LogFormat};

/// Where traces and metrics go; nowhere when it is not set.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What is logged, in the syntax of `tracing_subscriber::EnvFilter`.
const LOG: &str = "RUST_LOG";
/// How long the last traces and metrics may take to leave. A collector that is gone costs no more.
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
    registry: prometheus::Registry,
}

/// Sets up logs, traces and metrics of the process; once, inside of the runtime.
pub(crate) fn start(service: &str, format: LogFormat) -> Result<Telemetry, StartError> {
    let filter = log_filter()?;
    let endpoint = env::var(ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty());
    if let Some(endpoint) = &endpoint
        && !endpoint
            .parse::<http::Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some())
    {
        return Err(StartError::usage(
            ENDPOINT,
            endpoint,
            "give a URL such as http://localhost:4317; https is not built in",
        ));
    }
    let resource = Resource::builder().with_service_name(service.to_owned()).build();
    let registry = prometheus::Registry::new();
    let traces = tracer_provider(resource.clone(), endpoint.is_some())?;
    let metrics = meter_provider(resource, endpoint.is_some(), &registry)?;

    // Always: a context that came in goes on to whoever is called, whether we trace or not.
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_meter_provider(metrics.clone());
    tracing_subscriber::registry()
        .with(trace_layer(&traces))
        .with(log_layer(format).with_filter(filter))
        .try_init()
        .map_err(|e| StartError::new("setting up logs", e))?;
    panic::set_hook(Box::new(log_panic));
    Ok(Telemetry { traces, metrics, registry })
}

impl Telemetry {
    /// What /metrics shows.
    pub(crate) fn registry(&self) -> prometheus::Registry {
        self.registry.clone()
    }

    /// Sends what is left, within a bound. The exporters block until the runtime has carried their
    /// last request, so that this must not occupy a thread of the runtime.
    pub(crate) async fn shutdown(self) {
        let flush = tokio::task::spawn_blocking(move || {
            let traces = self.traces.shutdown_with_timeout(FLUSH_TIMEOUT);
            let metrics = self.metrics.shutdown_with_timeout(FLUSH_TIMEOUT);
            traces.and(metrics)
        });
        match tokio::time::timeout(FLUSH_TIMEOUT, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last traces or metrics were lost"),
            Ok(Err(error)) => tracing::warn!(%error, "the last traces or metrics were lost"),
            Err(_) => tracing::warn!("the last traces or metrics were lost: the collector does not answer"),
        }
    }
}

/// Where logs go, with the call that it happened in, rather than as bare text.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(location, backtrace, "panic: {}", panic.payload_as_str().unwrap_or("not a text"));
}

fn log_filter() -> Result<EnvFilter, StartError> {
    match env::var(LOG).ok().filter(|directives| !directives.is_empty()) {
        Some(directives) => EnvFilter::try_new(&directives)
            .map_err(|e| StartError::usage(LOG, &directives, format!("not a log filter: {e}"))),
        None => Ok(EnvFilter::new("info")),
    }
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            let ansi = !no_color && io::stderr().is_terminal();
            layer.fmt_fields(FieldsForPeople).with_ansi(ansi).boxed()
        }
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed()
        }
    }
}

/// Spans become traces. The libraries that carry the exporter's own calls are left out, or each export
/// would give the next one something to send.
fn trace_layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
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
    let filter = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(quiet.map(|target| (target, LevelFilter::OFF)));
    tracing_opentelemetry::layer().with_tracer(provider.tracer(SCOPE)).with_filter(filter)
}

/// With an endpoint, the standard OTEL_TRACES_SAMPLER decides, by default with the parent and else for
/// all. Without one nothing is sampled, but contexts are still passed on.
fn tracer_provider(resource: Resource, export: bool) -> Result<SdkTracerProvider, StartError> {
    let builder = SdkTracerProvider::builder().with_resource(resource);
    if !export {
        return Ok(builder.with_sampler(Sampler::parent_based(Sampler::AlwaysOff)).build());
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .build()
        .map_err(|e| StartError::new("setting up the export of traces", e))?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn meter_provider(
    resource: Resource,
    export: bool,
    registry: &prometheus::Registry,
) -> Result<SdkMeterProvider, StartError> {
    let pull = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()
        .map_err(|e| StartError::new("setting up metrics", e))?;
    let mut builder = SdkMeterProvider::builder().with_resource(resource).with_reader(pull);
    if export {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .build()
            .map_err(|e| StartError::new("setting up the export of metrics", e))?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok(builder.build())
}
