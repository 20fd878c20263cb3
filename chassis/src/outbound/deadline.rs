//! Hands on what is left of the caller's time, less what the way back takes. A call that could not be
//! answered in time is not made.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{Answer, Call, Target};
use crate::{
    deadline,
    fault::{Fault, Reason},
    timeout,
};

/// Kept back for the way home, so that the callee's answer is not too late for the caller's.
const MARGIN: Duration = Duration::from_millis(5);
/// With less than this, the callee would only work for nothing.
const LEAST: Duration = Duration::from_millis(5);

#[derive(Clone, Debug)]
pub(super) struct DeadlineLayer {
    target: Arc<Target>,
    /// Of a call that comes with no other limit.
    default: Duration,
}

impl DeadlineLayer {
    pub(super) fn new(target: Arc<Target>, default: Duration) -> Self {
        Self { target, default }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, with: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Deadline<S> {
    inner: S,
    with: DeadlineLayer,
}

impl<S: Call> Service<Request<Body>> for Deadline<S> {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        // What the call asks for itself, by `Request::set_timeout`. tonic writes it, so it can be read.
        let asked = timeout::of(request.headers()).ok().flatten();
        let left = deadline::remaining().map(|left| left.saturating_sub(MARGIN));
        let time = [asked, left].into_iter().flatten().min().unwrap_or(self.with.default);
        if time < LEAST {
            let text = format!("no time was left to call {}", self.with.target);
            return Box::pin(async { Err(Fault::new(Reason::DeadlineExceeded, text).into()) });
        }
        request.headers_mut().insert(timeout::HEADER, timeout::header(time));
        Box::pin(self.inner.call(request))
    }
}
