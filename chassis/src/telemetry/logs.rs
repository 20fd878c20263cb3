//! What is logged: to standard error, as text or JSON, and to the collector.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    io::{self, IsTerminal as _},
    panic::PanicHookInfo,
};

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, Targets},
    registry::LookupSpan,
};

use super::{fields::FieldsForPeople, without_exporter};
use crate::{run::StartError, settings::LogFormat};

/// What is logged, in the syntax of `tracing_subscriber::EnvFilter`.
const LOG: &str = "RUST_LOG";

/// What goes to standard error, and what to the collector: the same.
pub(super) fn layers<S>(
    format: LogFormat,
    provider: Option<&SdkLoggerProvider>,
) -> Result<Vec<Box<dyn Layer<S> + Send + Sync>>, StartError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut layers = vec![to_stderr(format).with_filter(without_texts().and(filter()?)).boxed()];
    if let Some(provider) = provider {
        let bridge = OpenTelemetryTracingBridge::new(provider);
        layers.push(bridge.with_filter(without_exporter().and(without_texts()).and(filter()?)).boxed());
    }
    Ok(layers)
}

fn to_stderr<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
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

/// Libraries that log the texts that they work on are left out, however much is wanted: what callers write is not for
/// logs.
fn without_texts() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_target("sqlparser", LevelFilter::OFF)
}

fn filter() -> Result<EnvFilter, StartError> {
    match env::var(LOG).ok().filter(|directives| !directives.is_empty()) {
        Some(directives) => EnvFilter::try_new(&directives)
            .map_err(|e| StartError::usage(LOG, &directives, format!("not a log filter: {e}"))),
        None => Ok(EnvFilter::new("info")),
    }
}

/// Where logs go, with the call that it happened in, rather than as bare text.
pub(super) fn panicked(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(location, backtrace, "panic: {}", panic.payload_as_str().unwrap_or("not a text"));
}
