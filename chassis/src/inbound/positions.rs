//! Gives each call a trail, and the reply the positions that the call stood on, in its initial metadata.
//! A call that failed tells them too: they are true all the same.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Answer, Method};
use crate::{position::POSITION, trail};

#[derive(Clone, Copy, Debug)]
pub(crate) struct PositionsLayer;

impl<S> Layer<S> for PositionsLayer {
    type Service = Positioned<S>;

    fn layer(&self, inner: S) -> Positioned<S> {
        Positioned { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Positioned<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Positioned<S>
where
    S: Method,
    S::Future: 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let answer = self.inner.call(request);
        Box::pin(trail::scope(async move {
            let mut response = answer.await?;
            let positions = trail::current();
            // Names and epochs are plain ASCII wherever a position comes from.
            if !positions.is_empty()
                && let Ok(value) = HeaderValue::try_from(positions.to_string())
            {
                response.headers_mut().insert(POSITION, value);
            }
            Ok(response)
        }))
    }
}
