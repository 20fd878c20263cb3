//! At most so many calls at a time; what is more is refused at once rather than queued, so that those
//! that are let in are answered in time. A call counts until its response begins: long streams have
//! bounds of their own.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{
    Layer, Service,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
    load_shed::{LoadShed, LoadShedLayer},
};

use super::{Method, is_infrastructure};
use crate::{
    around::Answer,
    fault::{Fault, Reason},
};

/// When a refused caller may try again: a good call is over by then.
const RETRY_AFTER: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub(crate) struct AdmissionLayer {
    limit: GlobalConcurrencyLimitLayer,
}

impl AdmissionLayer {
    pub(crate) fn new(max_in_flight: usize) -> Self {
        Self { limit: GlobalConcurrencyLimitLayer::new(max_in_flight) }
    }
}

impl<S: Clone> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { limited: LoadShedLayer::new().layer(self.limit.layer(inner.clone())), free: inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Admission<S> {
    limited: LoadShed<ConcurrencyLimit<S>>,
    free: S,
}

impl<S: Method> Service<Request<Body>> for Admission<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Sheds, so it is always ready; it takes its place in the limit here.
        let _ = self.limited.poll_ready(context);
        self.free.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer<Infallible> {
        if is_infrastructure(request.uri().path()) {
            return Box::pin(self.free.call(request));
        }
        let answer = self.limited.call(request);
        Box::pin(async move {
            // The only error that there is below is that of load shedding.
            answer.await.or_else(|_| Ok(overloaded().into_http()))
        })
    }
}

fn overloaded() -> Status {
    Fault::new(Reason::Overloaded, "too many calls at once: try again later").retry_after(RETRY_AFTER).into()
}
