//! A call is answered in time or not at all: by the caller's `grpc-timeout`, at most the server's own
//! limit. Streams have begun by then; they are cut off at the caller's timeout, if there is one.

use std::{convert::Infallible, time::Duration};

use http::Request;
use tokio::time::{Instant, sleep_until};
use tonic::{Status, body::Body};

use crate::{
    around::{Answer, Around, Next},
    cut, deadline,
    fault::{Fault, Reason},
    timeout::{self, Malformed},
};

/// tonic enforces the header as well, and would call the end of time a cancellation: we are this much
/// earlier, one tick of tokio's clock.
const EARLIER: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    limit: Duration,
}

impl Deadline {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl Around for Deadline {
    type Error = Infallible;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let asked = match timeout::of(request.headers()) {
            Ok(asked) => asked.map(|timeout| timeout.saturating_sub(EARLIER)),
            Err(Malformed) => return Box::pin(async { Ok(malformed().into_http()) }),
        };
        let now = Instant::now();
        let limit = asked.map_or(self.limit, |timeout| timeout.min(self.limit));
        let answer = deadline::scope(now + limit, next.call(request));
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
