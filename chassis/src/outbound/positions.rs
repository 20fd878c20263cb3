//! What another service answered stands on its positions, so the caller's answer does too: they are
//! taken over into the trail of the call at hand.

use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{Answer, Call};
use crate::{
    position::{POSITION, Positions},
    trail,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct PositionsLayer;

impl<S> Layer<S> for PositionsLayer {
    type Service = Positioned<S>;

    fn layer(&self, inner: S) -> Positioned<S> {
        Positioned { inner }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Positioned<S> {
    inner: S,
}

impl<S: Call> Service<Request<Body>> for Positioned<S> {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            for value in response.headers().get_all(POSITION) {
                match value.to_str().map(str::parse::<Positions>) {
                    Ok(Ok(positions)) => trail::merge(&positions),
                    // Ours would be wrong without it; the reply itself is not.
                    _ => tracing::warn!("the callee's {POSITION} cannot be read"),
                }
            }
            Ok(response)
        })
    }
}
