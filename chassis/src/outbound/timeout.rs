//! Ends a call, or the stream that answers it, that is not answered within its `grpc-timeout`: a peer
//! that hangs does not keep to it.

use std::{sync::Arc, time::Duration};

use http::Request;
use tokio::time::{Instant, sleep_until};
use tonic::{Status, body::Body};

use super::Target;
use crate::{
    around::{Answer, Around, Next},
    cut,
    fault::{Fault, Reason},
    timeout,
};

/// tonic enforces the header as well, and would call the end of time a cancellation: we are this much
/// earlier, one tick of tokio's clock.
const EARLIER: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(super) struct Timeout {
    target: Arc<Target>,
}

impl Timeout {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target }
    }
}

impl Around for Timeout {
    type Error = Status;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let time = timeout::of(request.headers()).ok().flatten();
        let answer = next.call(request);
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
