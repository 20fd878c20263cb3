//! What a collector was sent, as a test asks for it.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::ResourceLogs,
    metrics::v1::ResourceMetrics,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, status::StatusCode},
};
use prost::Message;

/// Everything so far, in the order in which it came.
#[derive(Debug, Default)]
pub struct Received {
    /// How many spans came, kept or not.
    pub span_count: usize,
    /// Spans as they were sent.
    pub traces: Vec<ResourceSpans>,
    /// Metrics as they were sent.
    pub metrics: Vec<ResourceMetrics>,
    /// Logs as they were sent.
    pub logs: Vec<ResourceLogs>,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// `service.name` of the process.
    pub service: String,
    /// The trace that it is part of, in hexadecimal digits.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The span that it is a child of; `None` for a root.
    pub parent_id: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether it is marked as failed.
    pub is_error: bool,
}

/// One log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `service.name` of the process.
    pub service: String,
    /// The trace in which it was logged; `None` outside of any.
    pub trace_id: Option<String>,
    /// `INFO` and so on.
    pub severity: String,
    /// The text of it.
    pub body: String,
    /// Its fields, as texts.
    pub fields: BTreeMap<String, String>,
}

impl Received {
    /// Every span.
    pub fn spans(&self) -> impl Iterator<Item = Span> {
        self.traces.iter().flat_map(|of| {
            let service = service(of.resource.as_ref());
            of.scope_spans.iter().flat_map(|of| &of.spans).map(move |span| Span {
                service: service.clone(),
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_id: id(&span.parent_span_id),
                name: span.name.clone(),
                is_error: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
            })
        })
    }

    /// Every span, by its trace.
    pub fn by_trace(&self) -> BTreeMap<String, Vec<Span>> {
        let mut traces = BTreeMap::<_, Vec<_>>::new();
        for span in self.spans() {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        traces
    }

    /// Every log record.
    pub fn logs(&self) -> impl Iterator<Item = Log> {
        self.logs.iter().flat_map(|of| {
            let service = service(of.resource.as_ref());
            of.scope_logs.iter().flat_map(|of| &of.log_records).map(move |record| Log {
                service: service.clone(),
                trace_id: id(&record.trace_id),
                severity: record.severity_text.clone(),
                body: text(record.body.as_ref()),
                fields: record.attributes.iter().map(|field| (field.key.clone(), value(field))).collect(),
            })
        })
    }

    /// The names of each process's metrics.
    pub fn metric_names(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut names = BTreeMap::<_, BTreeSet<_>>::new();
        for of in &self.metrics {
            let metrics = of.scope_metrics.iter().flat_map(|of| &of.metrics);
            let names = names.entry(service(of.resource.as_ref())).or_default();
            names.extend(metrics.map(|metric| metric.name.clone()));
        }
        names
    }

    /// What was sent of each process, as (`service.name`, what it is, the bytes of it): every text that anything holds,
    /// wherever it is, is in there as it is.
    pub fn messages(&self) -> impl Iterator<Item = (String, &'static str, Vec<u8>)> {
        let spans = self.traces.iter().map(|of| message("span", of.resource.as_ref(), of));
        let metrics = self.metrics.iter().map(|of| message("metric", of.resource.as_ref(), of));
        let logs = self.logs.iter().map(|of| message("log", of.resource.as_ref(), of));
        spans.chain(metrics).chain(logs)
    }
}

fn message(
    kind: &'static str,
    resource: Option<&Resource>,
    of: &impl Message,
) -> (String, &'static str, Vec<u8>) {
    (service(resource), kind, of.encode_to_vec())
}

fn service(resource: Option<&Resource>) -> String {
    let attributes = resource.into_iter().flat_map(|resource| &resource.attributes);
    attributes.filter(|field| field.key == "service.name").map(value).next().unwrap_or_default()
}

fn value(field: &KeyValue) -> String {
    text(field.value.as_ref())
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::BytesValue(bytes)) => hex(bytes),
        Some(other) => format!("{other:?}"),
    }
}

/// An id that is not set is empty, or all zeros.
fn id(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|byte| *byte != 0).then(|| hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
