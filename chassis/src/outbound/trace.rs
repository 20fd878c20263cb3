//! One span per call to another service, whose context goes with the call, so that the callee's spans
//! hang below it.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use opentelemetry::{global, propagation::Injector};
use tonic::{Code, Status, body::Body};
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::Target;
use crate::{
    around::{Answer, Around, Next},
    outcome::{self, Ending},
};

#[derive(Clone, Debug)]
pub(super) struct Trace {
    target: Arc<Target>,
}

impl Trace {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target }
    }
}

impl Around for Trace {
    type Error = Status;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, mut request: Request<Body>) -> Answer<Self::Error> {
        let method = request.uri().path().trim_start_matches('/');
        let span = tracing::info_span!(
            "outbound",
            peer = self.target.service,
            method,
            otel.name = method,
            otel.kind = "client",
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = Empty,
            server.address = self.target.uri.host(),
            server.port = self.target.uri.port_u16(),
            // Told by the balancer, who chooses it.
            network.peer.address = Empty,
            network.peer.port = Empty,
            otel.status_code = Empty,
        );
        let headers = &mut Headers(request.headers_mut());
        global::get_text_map_propagator(|p| p.inject_context(&span.context(), headers));
        let answer = span.in_scope(|| next.call(request));
        let mut ending = Ending::new({
            let span = span.clone();
            move |code| record(&span, code)
        });
        let call = {
            let span = span.clone();
            async move {
                match answer.await {
                    Ok(response) => Ok(outcome::observe(response, span, ending)),
                    Err(status) => {
                        ending.end(status.code());
                        Err(status)
                    }
                }
            }
        };
        Box::pin(call.instrument(span))
    }
}

fn record(span: &Span, code: Code) {
    span.record("rpc.response.status_code", outcome::name(code));
    // As the conventions have it: to a client every code but OK is an error.
    if code != Code::Ok {
        span.record("otel.status_code", "ERROR");
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // A propagator's keys and values are made for headers.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
