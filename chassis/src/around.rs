//! What is done around a call, served or made: a layer is one step of it, and all that steps have in common is here.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

/// What lies further in.
pub(crate) trait Next<E>:
    Service<Request<Body>, Response = Response<Body>, Error = E, Future: Send + 'static>
{
}

impl<E, S> Next<E> for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = E, Future: Send + 'static>
{
}

/// How a call ends.
pub(crate) type Answer<E> = BoxFuture<'static, Result<Response<Body>, E>>;

/// Done around each call. It holds nobody up: it is ready when what lies further in is.
pub(crate) trait Around: Clone {
    /// What calls fail with that have no response.
    type Error;

    /// Calls `next`, or answers itself.
    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error>;
}

/// The layer that does it.
pub(crate) fn around<A: Around>(step: A) -> AroundLayer<A> {
    AroundLayer { step }
}

#[derive(Clone, Debug)]
pub(crate) struct AroundLayer<A> {
    step: A,
}

impl<A: Around, S> Layer<S> for AroundLayer<A> {
    type Service = Surrounded<A, S>;

    fn layer(&self, inner: S) -> Surrounded<A, S> {
        Surrounded { step: self.step.clone(), inner }
    }
}

/// What lies further in, and what is done around it.
#[derive(Clone, Debug)]
pub(crate) struct Surrounded<A, S> {
    step: A,
    inner: S,
}

impl<A: Around, S: Next<A::Error>> Service<Request<Body>> for Surrounded<A, S> {
    type Response = Response<Body>;
    type Error = A::Error;
    type Future = Answer<A::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer<A::Error> {
        self.step.call(&mut self.inner, request)
    }
}
