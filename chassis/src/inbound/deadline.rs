//! A call is answered in time or not at all: by the caller's `grpc-timeout`, at most the server's own
//! limit. Streams have begun by then; they are cut off at the caller's timeout, if there is one.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, sleep_until};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{Answer, Method};
use crate::{
    cut, deadline,
    fault::{Fault, Reason},
    timeout::{self, Malformed},
};

/// tonic enforces the header as well, and would call the end of time a cancellation: we are this much
/// earlier, one tick of tokio's clock.
const EARLIER: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(crate) struct DeadlineLayer {
    limit: Duration,
}

impl DeadlineLayer {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, limit: self.limit }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
    limit: Duration,
}

impl<S> Service<Request<Body>> for Deadline<S>
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
        let asked = match timeout::of(request.headers()) {
            Ok(asked) => asked.map(|timeout| timeout.saturating_sub(EARLIER)),
            Err(Malformed) => return Box::pin(async { Ok(malformed().into_http()) }),
        };
        let now = Instant::now();
        let limit = asked.map_or(self.limit, |timeout| timeout.min(self.limit));
        let answer = deadline::scope(now + limit, self.inner.call(request));
        Box::pin(async move {
            let response = tokio::select! {
                biased;
                response = answer => response?,
                () = sleep_until(now + limit) => return Ok(time_is_up(limit).into_http()),
            };
            Ok(match asked {
                None => response,
                Some(timeout) => cut::response(response, async move {
                    sleep_until(now + timeout).await;
                    time_is_up(timeout)
                }),
            })
        })
    }
}

fn time_is_up(limit: Duration) -> Status {
    Fault::new(Reason::DeadlineExceeded, format!("not answered within {limit:?}")).into()
}

fn malformed() -> Status {
    Fault::field("grpc-timeout", "malformed: give at most 8 digits and a unit of H M S m u n").into()
}
