//! How many calls, how long, how they ended. Labels are the methods that are served and the gRPC codes:
//! both closed sets, so that no caller can grow them.

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Instant};

use http::Request;
use opentelemetry::{
    KeyValue, global,
    metrics::{Histogram, UpDownCounter},
};
use tonic::{Code, body::Body};
use tracing::Span;

use super::method_name;
use crate::{
    around::{Answer, Around, Next},
    outcome::{self, Ending},
    telemetry::{SCOPE, SECONDS},
};

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    methods: Arc<HashSet<String>>,
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

impl Metrics {
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

impl Around for Metrics {
    type Error = Infallible;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let method = KeyValue::new("rpc.method", self.label(request.uri().path()));
        let Metrics { duration, active, .. } = self.clone();
        let start = Instant::now();
        active.add(1, std::slice::from_ref(&method));
        let ending = Ending::new(move |code: Code| {
            active.add(-1, std::slice::from_ref(&method));
            let status = KeyValue::new("rpc.response.status_code", outcome::name(code));
            duration.record(start.elapsed().as_secs_f64(), &[method, status]);
        });
        let answer = next.call(request);
        Box::pin(async move { Ok(outcome::observe(answer.await?, Span::none(), ending)) })
    }
}
