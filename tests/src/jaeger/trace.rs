//! Spans as Jaeger's JSON API tells them.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde_json::Value;

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace that it is part of.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The span that it is a child of, in the same trace; `None` for a root. A parent need not have arrived.
    pub parent_id: Option<String>,
    /// Spans that it is linked to, of any trace.
    pub links: Vec<Reference>,
    /// `service.name` of the process.
    pub service: String,
    /// Its name.
    pub operation: String,
    /// When it began, to the microsecond.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Its attributes, and `span.kind`, `error`, `otel.status_code`; numbers and booleans as JSON.
    pub tags: BTreeMap<String, Value>,
    /// The attributes of the process.
    pub process: BTreeMap<String, Value>,
    /// The attributes of each event within it.
    pub logs: Vec<BTreeMap<String, Value>>,
}

/// Which span another one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
}

impl Span {
    /// A tag that is text.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.as_str()
    }

    /// Whether it is marked as failed.
    pub fn is_error(&self) -> bool {
        self.tags.get("error") == Some(&Value::Bool(true)) || self.tag("otel.status_code") == Some("ERROR")
    }

    /// When it ended.
    pub fn end(&self) -> SystemTime {
        self.start + self.duration
    }
}

/// Every span in the `data` of an answer, in order of start.
pub(super) fn spans(data: &Value) -> Vec<Span> {
    let traces = data.as_array().into_iter().flatten();
    let mut spans: Vec<_> = traces
        .flat_map(|trace| {
            let spans = trace["spans"].as_array().expect("a list of spans");
            spans.iter().map(|span| self::span(span, &trace["processes"]))
        })
        .collect();
    spans.sort_by_key(|span| span.start);
    spans
}

fn span(span: &Value, processes: &Value) -> Span {
    let micros =
        |name: &str| Duration::from_micros(span[name].as_u64().unwrap_or_else(|| panic!("{name}: {span}")));
    let process = &processes[text(span, "processID")];
    let trace_id = text(span, "traceID");
    let references: Vec<(bool, Reference)> = span["references"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|reference| {
            let to = Reference { trace_id: text(reference, "traceID"), span_id: text(reference, "spanID") };
            (text(reference, "refType") == "CHILD_OF", to)
        })
        .collect();
    // A link of OpenTelemetry is FOLLOWS_FROM here.
    let parent = references.iter().find(|(child, to)| *child && to.trace_id == trace_id);
    Span {
        parent_id: parent.map(|(_, to)| to.span_id.clone()),
        links: references.iter().filter(|(child, _)| !child).map(|(_, to)| to.clone()).collect(),
        trace_id,
        span_id: text(span, "spanID"),
        service: text(process, "serviceName"),
        operation: text(span, "operationName"),
        start: SystemTime::UNIX_EPOCH + micros("startTime"),
        duration: micros("duration"),
        tags: tags(&span["tags"]),
        process: tags(&process["tags"]),
        logs: span["logs"].as_array().into_iter().flatten().map(|log| tags(&log["fields"])).collect(),
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}")).to_owned()
}

fn tags(list: &Value) -> BTreeMap<String, Value> {
    let tags = list.as_array().into_iter().flatten();
    tags.map(|tag| (text(tag, "key"), tag["value"].clone())).collect()
}
