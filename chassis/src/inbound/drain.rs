//! Ends what is still running when the server must stop, in good order: with a status that says so,
//! where a closed connection would leave the caller guessing.

use std::convert::Infallible;

use http::Request;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};

use super::is_infrastructure;
use crate::{
    around::{Answer, Around, Next},
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

impl Around for Drain {
    type Error = Infallible;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let infrastructure = is_infrastructure(request.uri().path());
        let Drain { shutdown, last_call, .. } = self.clone();
        let answer = next.call(request);
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
