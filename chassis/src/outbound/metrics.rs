//! How many calls to whom, how long, how they ended. Labels are the name of the service called, the
//! methods of our own clients, and the gRPC codes: closed sets.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use opentelemetry::{KeyValue, global, metrics::Histogram};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::Span;

use super::{Answer, Call, Target};
use crate::{
    outcome::{self, Ending},
    telemetry::{SCOPE, SECONDS},
};

#[derive(Clone, Debug)]
pub(super) struct MetricsLayer {
    target: Arc<Target>,
    duration: Histogram<f64>,
}

impl MetricsLayer {
    pub(super) fn new(target: Arc<Target>) -> Self {
        let duration = global::meter(SCOPE)
            .f64_histogram("rpc.client.call.duration")
            .with_description("From the start of a call to the end of its response.")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec())
            .build();
        Self { target, duration }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Metrics<S> {
        Metrics { inner, with: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Metrics<S> {
    inner: S,
    with: MetricsLayer,
}

impl<S: Call> Service<Request<Body>> for Metrics<S> {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let MetricsLayer { target, duration } = self.with.clone();
        let start = Instant::now();
        let mut ending = Ending::new(move |code: Code| {
            let labels = [
                KeyValue::new("peer.service", target.service.clone()),
                KeyValue::new("rpc.method", method),
                KeyValue::new("rpc.response.status_code", outcome::name(code)),
            ];
            duration.record(start.elapsed().as_secs_f64(), &labels);
        });
        let answer = self.inner.call(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => Ok(outcome::observe(response, Span::none(), ending)),
                Err(status) => {
                    ending.end(status.code());
                    Err(status)
                }
            }
        })
    }
}
