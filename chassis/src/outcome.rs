//! How a call ended, told exactly once: what traces and metrics of both directions are made of.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tracing::Span;

/// Tells how a call ended. A call that is dropped before its end was cancelled, not a success.
pub(crate) struct Ending<F: FnOnce(Code)>(Option<F>);

impl<F: FnOnce(Code)> Ending<F> {
    pub(crate) fn new(tell: F) -> Self {
        Self(Some(tell))
    }

    pub(crate) fn end(&mut self, code: Code) {
        if let Some(tell) = self.0.take() {
            tell(code);
        }
    }
}

impl<F: FnOnce(Code)> Drop for Ending<F> {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// A code by the name that every language knows it by.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The status in headers or trailers, if they hold one.
pub(crate) fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

/// Lets `ending` know when the response has ended; until then its body is polled inside of `span`.
pub(crate) fn observe<F>(response: Response<Body>, span: Span, mut ending: Ending<F>) -> Response<Body>
where
    F: FnOnce(Code) + Send + Unpin + 'static,
{
    match code(response.headers()) {
        // Headers that are trailers too: there is no body to wait for.
        Some(code) => {
            ending.end(code);
            response
        }
        None => response.map(|body| Body::new(Observed { body, span, ending })),
    }
}

struct Observed<F: FnOnce(Code)> {
    body: Body,
    span: Span,
    ending: Ending<F>,
}

impl<F: FnOnce(Code) + Unpin> http_body::Body for Observed<F> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = ready!(this.span.in_scope(|| Pin::new(&mut this.body).poll_frame(context)));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.ending.end(code(trailers).unwrap_or(Code::Unknown));
                }
            }
            Some(Err(status)) => this.ending.end(status.code()),
            // Trailers were missing: the peer broke off.
            None => this.ending.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
