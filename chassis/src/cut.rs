//! Ends a response that is still running in good order: with a status, at a frame's boundary.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Frame, SizeHint};
use tokio::task::unconstrained;
use tonic::{Status, body::Body};

use crate::outcome;

/// The response, or as much of it as comes before `when` says with which status it ends.
pub(crate) fn response(
    response: Response<Body>,
    when: impl Future<Output = Status> + Send + 'static,
) -> Response<Body> {
    if outcome::code(response.headers()).is_some() {
        return response;
    }
    // Unconstrained: a reader that never waits uses up its budget, and would never be told that it is time.
    response.map(|body| Body::new(Cut { body: Some(body), when: Box::pin(unconstrained(when)) }))
}

/// The status as trailers.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Some of its details is no header; at least the code is.
        trailers = HeaderMap::new();
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    trailers
}

struct Cut {
    /// `None` once it was cut.
    body: Option<Body>,
    when: BoxFuture<'static, Status>,
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // The cut comes first: a stream that always has more would never meet it.
        if self.body.is_some()
            && let Poll::Ready(status) = self.when.as_mut().poll(context)
        {
            self.body = None;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))));
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}
