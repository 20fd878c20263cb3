//! Hands on what is left of the caller's time, less what the way back takes. A call that could not be
//! answered in time is not made.

use std::{sync::Arc, time::Duration};

use http::Request;
use tonic::{Status, body::Body};

use super::Target;
use crate::{
    around::{Answer, Around, Next},
    deadline,
    fault::{Fault, Reason},
    timeout,
};

/// Kept back for the way home, so that the callee's answer is not too late for the caller's.
const MARGIN: Duration = Duration::from_millis(5);
/// With less than this, the callee would only work for nothing.
const LEAST: Duration = Duration::from_millis(5);

#[derive(Clone, Debug)]
pub(super) struct Deadline {
    target: Arc<Target>,
    /// Of a call that comes with no other limit.
    default: Duration,
}

impl Deadline {
    pub(super) fn new(target: Arc<Target>, default: Duration) -> Self {
        Self { target, default }
    }
}

impl Around for Deadline {
    type Error = Status;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, mut request: Request<Body>) -> Answer<Self::Error> {
        // What the call asks for itself, by `Request::set_timeout`. tonic writes it, so it can be read.
        let asked = timeout::of(request.headers()).ok().flatten();
        let left = deadline::remaining().map(|left| left.saturating_sub(MARGIN));
        let time = [asked, left].into_iter().flatten().min().unwrap_or(self.default);
        if time < LEAST {
            let text = format!("no time was left to call {}", self.target);
            return Box::pin(async { Err(Fault::new(Reason::DeadlineExceeded, text).into()) });
        }
        request.headers_mut().insert(timeout::HEADER, timeout::header(time));
        Box::pin(next.call(request))
    }
}
