//! How many calls, how long, how they ended. Labels are the methods that are served and the gRPC codes:
//! both closed sets, so that no caller can grow them.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use opentelemetry::{
    KeyValue, global,
    metrics::{Histogram, UpDownCounter},
};
use tonic::{Code, body::Body};
use tower::{Layer, Service};
use tracing::Span;

use super::{Answer, Method, method_name};
use crate::{
    outcome::{self, Ending},
    telemetry::{SCOPE, SECONDS},
};

#[derive(Clone, Debug)]
pub(crate) struct MetricsLayer {
    methods: Arc<HashSet<String>>,
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

impl MetricsLayer {
    pub(crate) fn new(methods: Arc<HashSet<String>>) -> Self {
        let meter = global::meter(SCOPE);
        Self {
            methods,
            duration: meter
                .f64_histogram("rpc.server.call.duration")
                .with_description("From a call's first byte to the end of its response.")
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            active: meter
                .i64_up_down_counter("rpc.server.active_calls")
                .with_description("Calls that have not ended yet.")
                .build(),
        }
    }

    /// What a path is counted as.
    fn label(&self, path: &str) -> String {
        method_name(&self.methods, path).to_owned()
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Metrics<S> {
        Metrics { inner, with: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Metrics<S> {
    inner: S,
    with: MetricsLayer,
}

impl<S> Service<Request<Body>> for Metrics<S>
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
        let method = KeyValue::new("rpc.method", self.with.label(request.uri().path()));
        let MetricsLayer { duration, active, .. } = self.with.clone();
        let start = Instant::now();
        active.add(1, std::slice::from_ref(&method));
        let ending = Ending::new(move |code: Code| {
            active.add(-1, std::slice::from_ref(&method));
            let status = KeyValue::new("rpc.response.status_code", outcome::name(code));
            duration.record(start.elapsed().as_secs_f64(), &[method, status]);
        });
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(outcome::observe(answer.await?, Span::none(), ending)) })
    }
}
