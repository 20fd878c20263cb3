//! How many calls to whom, how long, how they ended. Labels are the name of the service called, the
//! methods of our own clients, and the gRPC codes: closed sets.

use std::{sync::Arc, time::Instant};

use http::Request;
use opentelemetry::{KeyValue, global, metrics::Histogram};
use tonic::{Code, Status, body::Body};
use tracing::Span;

use super::Target;
use crate::{
    around::{Answer, Around, Next},
    outcome::{self, Ending},
    telemetry::{SCOPE, SECONDS},
};

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    target: Arc<Target>,
    duration: Histogram<f64>,
}

impl Metrics {
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

impl Around for Metrics {
    type Error = Status;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let Metrics { target, duration } = self.clone();
        let start = Instant::now();
        let mut ending = Ending::new(move |code: Code| {
            let labels = [
                KeyValue::new("peer.service", target.service.clone()),
                KeyValue::new("rpc.method", method),
                KeyValue::new("rpc.response.status_code", outcome::name(code)),
            ];
            duration.record(start.elapsed().as_secs_f64(), &labels);
        });
        let answer = next.call(request);
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
