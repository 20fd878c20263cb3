//! The trace of a command beyond its call: each change carries the W3C context in which it was made, so that whoever
//! follows goes on with the command's trace, however much later.
//!
//! What works on several commands at once, a *batch*, has a trace of its own, linked to those of its commands; and in
//! the trace of each command that is sampled there is a span of it. Who is not sampled costs a look at a flag.

use std::{borrow::Cow, collections::HashMap, time::SystemTime};

use opentelemetry::{
    Context, KeyValue, Value,
    global::{self, BoxedSpan, BoxedTracer},
    propagation::TextMapPropagator as _,
    trace::{Link, Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tributary_proto::feed::v1::Change;

use crate::telemetry::SCOPE;

/// Most links of a batch: a collector need not take more, and nobody follows more.
pub const MOST_LINKS: usize = 32;

/// Longest `tracestate` that goes into a change, in bytes: what the W3C recommendation asks everybody to
/// keep. A longer one is left out, since cutting it would make it say something else.
const TRACE_STATE_LIMIT: usize = 512;

/// The W3C trace context that a change carries; empty where nothing is traced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    pub(crate) parent: String,
    pub(crate) state: String,
}

impl Trace {
    /// That of whoever made the change.
    pub fn of(change: &Change) -> Self {
        Self { parent: change.traceparent.clone(), state: change.tracestate.clone() }
    }

    /// That of the current span.
    pub fn current() -> Self {
        let span = tracing::Span::current().context();
        // A span that no layer exports has no context of its own, but may run in one.
        let context = if span.span().span_context().is_valid() { span } else { Context::current() };
        Self::within(&context)
    }

    /// Of what happens within `context`.
    pub fn within(context: &Context) -> Self {
        let mut carrier = HashMap::new();
        TraceContextPropagator::new().inject_context(context, &mut carrier);
        let parent: String = carrier.remove("traceparent").unwrap_or_default();
        let state: String = carrier.remove("tracestate").unwrap_or_default();
        if state.len() > TRACE_STATE_LIMIT {
            return Self { parent, state: String::new() };
        }
        Self { parent, state }
    }

    /// Whether it is recorded, by the flag at its end.
    pub fn is_sampled(&self) -> bool {
        is_sampled(&self.parent)
    }

    /// Makes a span that was not entered yet go on with it.
    pub fn continued_by(&self, span: &tracing::Span) {
        // The error is `nobody listens to spans`.
        let _ = span.set_parent(self.context());
    }

    /// What continues it.
    pub fn context(&self) -> Context {
        let carrier = [("traceparent", &self.parent), ("tracestate", &self.state)];
        let carrier: HashMap<_, _> =
            carrier.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        // With nothing around it: the current span has no part in what happened elsewhere.
        TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
    }
}

/// Whether a `traceparent` has the flag `sampled`.
pub fn is_sampled(traceparent: &str) -> bool {
    let flags = traceparent.rsplit_once('-').and_then(|(_, flags)| u8::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & 1 == 1)
}

/// Begins spans outside of any call.
#[derive(Debug)]
pub struct Tracer(BoxedTracer);

impl Default for Tracer {
    fn default() -> Self {
        Self(global::tracer(SCOPE))
    }
}

impl Tracer {
    /// A trace of its own, linked to those of `commands` that are sampled: to as many as a span can have, and it says how
    /// many there are. Names are of few different ones.
    pub fn batch<'a>(
        &self,
        name: impl Into<Cow<'static, str>>,
        start: SystemTime,
        commands: impl IntoIterator<Item = &'a Trace>,
    ) -> Live {
        let (mut links, mut count) = (Vec::new(), 0_i64);
        for trace in commands.into_iter().filter(|trace| trace.is_sampled()) {
            count += 1;
            if links.len() < MOST_LINKS {
                links.push(Link::with_context(trace.context().span().span_context().clone()));
            }
        }
        let builder = SpanBuilder::from_name(name).with_start_time(start).with_links(links);
        let batch = Live(self.0.build_with_context(builder, &Context::new()));
        if count > 0 { batch.with("tributary.sampled_commands", count) } else { batch }
    }

    /// Below `parent`, and linked to the batch that it is part of.
    pub fn within(
        &self,
        parent: &Context,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        start: SystemTime,
        batch: Option<&Live>,
    ) -> Live {
        let links = batch.map(|batch| Link::with_context(batch.0.span_context().clone()));
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(start)
            .with_links(links.into_iter().collect());
        Live(self.0.build_with_context(builder, parent))
    }
}

/// A span that has begun. It ends when it is dropped, if not before.
#[derive(Debug)]
pub struct Live(BoxedSpan);

impl Live {
    /// With one more attribute: no payload, and nothing that names a person.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.set_attribute(KeyValue::new(name, value));
        self
    }

    /// It was in vain; `why` is of few different texts.
    pub fn failed(mut self, why: impl Into<Cow<'static, str>>) -> Self {
        self.0.set_status(Status::error(why));
        self
    }

    /// What happens within it.
    pub fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.span_context().clone())
    }

    /// It was over then.
    pub fn end(mut self, at: SystemTime) {
        self.0.end_with_timestamp(at);
    }
}

#[cfg(test)]
pub(crate) mod tests;
