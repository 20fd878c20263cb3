//! What leaves the process by OTLP: traces, metrics and logs, each in batches of a bounded queue, so that a collector
//! that is away or hangs costs memory and time within bounds, and then what is newest is lost. Metrics also wait for
//! who comes to fetch them.

use std::env;

use opentelemetry::KeyValue;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource, logs::SdkLoggerProvider, metrics::SdkMeterProvider, trace::SdkTracerProvider,
};

use super::{ENDPOINT, FLUSH_TIMEOUT, sampler};
use crate::run::StartError;

/// Who tells all of this. What OTEL_RESOURCE_ATTRIBUTES says is added.
pub(super) fn resource(service: &str) -> Resource {
    Resource::builder()
        .with_service_name(service.to_owned())
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .build()
}

/// The endpoint that is set, if it can be one.
fn endpoint() -> Result<Option<String>, StartError> {
    let endpoint = env::var(ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty());
    let is_good = |endpoint: &String| {
        let uri = endpoint.parse::<http::Uri>();
        uri.is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some())
    };
    match endpoint {
        Some(bad) if !is_good(&bad) => {
            let why = "give a URL such as http://localhost:4317; https is not built in";
            Err(StartError::usage(ENDPOINT, bad, why))
        }
        endpoint => Ok(endpoint),
    }
}

/// What of it leaves, by the standard variables: `otlp`, or `none` for a collector that does not take it.
pub(super) fn leaves(variable: &'static str) -> Result<bool, StartError> {
    match env::var(variable).unwrap_or_default().as_str() {
        "" | "otlp" => Ok(endpoint()?.is_some()),
        "none" => Ok(false),
        other => Err(StartError::usage(variable, other, "give otlp or none")),
    }
}

/// Without an endpoint nothing is sampled, but contexts are still passed on.
pub(super) fn traces(resource: Resource, export: bool) -> Result<SdkTracerProvider, StartError> {
    let builder = SdkTracerProvider::builder().with_resource(resource);
    if !export {
        return Ok(builder.with_sampler(sampler::passed_on()).build());
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_timeout(FLUSH_TIMEOUT)
        .build()
        .map_err(|e| StartError::new("setting up the export of traces", e))?;
    Ok(builder.with_sampler(sampler::exported()?).with_batch_exporter(exporter).build())
}

/// What is logged, if there is an endpoint.
pub(super) fn logs(resource: Resource, export: bool) -> Result<SdkLoggerProvider, StartError> {
    let builder = SdkLoggerProvider::builder().with_resource(resource);
    if !export {
        return Ok(builder.build());
    }
    let exporter = opentelemetry_otlp::LogExporter::builder()
        .with_tonic()
        .with_timeout(FLUSH_TIMEOUT)
        .build()
        .map_err(|e| StartError::new("setting up the export of logs", e))?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// Into `registry`, and to the endpoint if there is one.
pub(super) fn metrics(
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
            .with_timeout(FLUSH_TIMEOUT)
            .build()
            .map_err(|e| StartError::new("setting up the export of metrics", e))?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok(builder.build())
}
