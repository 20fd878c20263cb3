//! One span per call, under the caller's, from its first byte to the end of its response.

use std::{collections::HashSet, convert::Infallible, sync::Arc};

use http::{HeaderMap, Request};
use opentelemetry::{global, propagation::Extractor, trace::TraceContextExt as _};
use tonic::{Code, body::Body};
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{is_infrastructure, method_name};
use crate::{
    around::{Answer, Around, Next},
    outcome::{self, Ending},
};

#[derive(Clone, Debug)]
pub(crate) struct Trace {
    methods: Arc<HashSet<String>>,
}

impl Trace {
    pub(crate) fn new(methods: Arc<HashSet<String>>) -> Self {
        Self { methods }
    }
}

impl Around for Trace {
    type Error = Infallible;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        if is_infrastructure(request.uri().path()) {
            return Box::pin(next.call(request));
        }
        let span = span(method_name(&self.methods, request.uri().path()), request.headers());
        let answer = span.in_scope(|| next.call(request));
        let ending = Ending::new({
            let span = span.clone();
            move |code| record(&span, code)
        });
        let call = {
            let span = span.clone();
            async move { Ok(outcome::observe(answer.await?, span, ending)) }
        };
        Box::pin(call.instrument(span))
    }
}

/// The call's span. Its parent must be set before the span is first entered, later it is too late.
fn span(method: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "call",
        method,
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = Empty,
        otel.status_code = Empty,
        trace_id = Empty,
    );
    let parent = global::get_text_map_propagator(|p| p.extract(&Headers(headers)));
    // The error is `nobody listens to spans`.
    let _ = span.set_parent(parent);
    span.record("trace_id", span.context().span().span_context().trace_id().to_string());
    span
}

fn record(span: &Span, code: Code) {
    span.record("rpc.response.status_code", outcome::name(code));
    // As the conventions have it: only what is the server's fault is an error of the server's span.
    let faults = [
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
    ];
    if faults.contains(&code) {
        span.record("otel.status_code", "ERROR");
    }
    span.in_scope(|| tracing::debug!(status = ?code, "call ended"));
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
