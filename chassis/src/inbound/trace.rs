//! One span per call, under the caller's, from its first byte to the end of its response.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use opentelemetry::{global, propagation::Extractor, trace::TraceContextExt as _};
use tonic::{Code, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{Answer, Method, is_infrastructure, method_name};
use crate::outcome::{self, Ending};

#[derive(Clone, Debug)]
pub(crate) struct TraceLayer {
    methods: Arc<HashSet<String>>,
}

impl TraceLayer {
    pub(crate) fn new(methods: Arc<HashSet<String>>) -> Self {
        Self { methods }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, methods: self.methods.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Trace<S> {
    inner: S,
    methods: Arc<HashSet<String>>,
}

impl<S> Service<Request<Body>> for Trace<S>
where
    S: Method,
    S::Future: 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        if is_infrastructure(request.uri().path()) {
            return Box::pin(self.inner.call(request));
        }
        let span = span(method_name(&self.methods, request.uri().path()), request.headers());
        let answer = span.in_scope(|| self.inner.call(request));
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
