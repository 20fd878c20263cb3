//! A panic costs the call that it happened in, and nothing else. What it said is in the log; the caller
//! learns that it was our fault.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Bytes;
use futures::FutureExt as _;
use http::Request;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use crate::{
    around::{Answer, Around, Next},
    cut,
    fault::{Fault, Reason},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchPanic;

impl Around for CatchPanic {
    type Error = Infallible;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        // What a panic left half done is dropped with the call: nothing shared is looked at again.
        let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
        Box::pin(async move {
            match answer.await {
                Ok(Ok(response)) => Ok(response.map(|body| Body::new(Caught { body: Some(body) }))),
                Ok(Err(never)) => match never {},
                Err(_) => Ok(defect().into_http()),
            }
        })
    }
}

/// The panic's own text was logged where it happened.
fn defect() -> Status {
    Fault::new(Reason::Internal, "the server met a defect of its own").into()
}

/// A response whose stream may panic.
struct Caught {
    /// `None` after a panic.
    body: Option<Body>,
}

impl http_body::Body for Caught {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(context))) {
            Ok(frame) => frame,
            Err(_) => {
                self.body = None;
                Poll::Ready(Some(Ok(Frame::trailers(cut::trailers(&defect())))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}
