//! Ends a call, or the stream that answers it, that is not answered within its `grpc-timeout`: a peer
//! that hangs does not keep to it.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, sleep_until};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{Answer, Call, Target};
use crate::{
    cut,
    fault::{Fault, Reason},
    timeout,
};

/// tonic enforces the header as well, and would call the end of time a cancellation: we are this much
/// earlier, one tick of tokio's clock.
const EARLIER: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(super) struct TimeoutLayer {
    target: Arc<Target>,
}

impl TimeoutLayer {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, target: self.target.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Timeout<S> {
    inner: S,
    target: Arc<Target>,
}

impl<S: Call> Service<Request<Body>> for Timeout<S> {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let time = timeout::of(request.headers()).ok().flatten();
        let answer = self.inner.call(request);
        let Some(time) = time else { return Box::pin(answer) };
        let target = self.target.clone();
        let end = Instant::now() + time.saturating_sub(EARLIER);
        Box::pin(async move {
            let response = tokio::select! {
                biased;
                response = answer => response?,
                () = sleep_until(end) => return Err(time_is_up(&target, time)),
            };
            Ok(cut::response(response, async move {
                sleep_until(end).await;
                time_is_up(&target, time)
            }))
        })
    }
}

fn time_is_up(target: &Target, time: Duration) -> Status {
    Fault::new(Reason::DeadlineExceeded, format!("{target} did not answer within {time:?}")).into()
}
