//! Ends what is still running when the server must stop, in good order: with a status that says so,
//! where a closed connection would leave the caller guessing.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{Answer, Method, is_infrastructure};
use crate::{
    cut,
    fault::{Fault, Reason},
};

/// When things end: three moments, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain {
    /// The first signal: the server says that it is not ready. Nothing ends yet.
    pub(crate) leaving: CancellationToken,
    /// The drain delay has passed: no more calls are taken. Streams that know it end by themselves; those of the server itself end here.
    pub(crate) shutdown: CancellationToken,
    /// The drain timeout has passed: everything ends.
    pub(crate) last_call: CancellationToken,
}

#[derive(Clone, Debug)]
pub(crate) struct DrainLayer {
    drain: Drain,
}

impl DrainLayer {
    pub(crate) fn new(drain: Drain) -> Self {
        Self { drain }
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = Draining<S>;

    fn layer(&self, inner: S) -> Draining<S> {
        Draining { inner, drain: self.drain.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Draining<S> {
    inner: S,
    drain: Drain,
}

impl<S> Service<Request<Body>> for Draining<S>
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
        let infrastructure = is_infrastructure(request.uri().path());
        let Drain { shutdown, last_call, .. } = self.drain.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = tokio::select! {
                biased;
                response = answer => response?,
                () = last_call.cancelled() => return Ok(draining().into_http()),
            };
            let end = if infrastructure { shutdown } else { last_call };
            Ok(cut::response(response, async move {
                end.cancelled().await;
                draining()
            }))
        })
    }
}

fn draining() -> Status {
    let text = "the server is stopping: try again, a write under the same request_id";
    Fault::new(Reason::Draining, text).into()
}
