//! What tonic says about a request that it cannot decode, in the terms of [`crate::fault`]: it calls a
//! message that is too long `OUT_OF_RANGE`, which in a feed means that a position has expired, and bytes
//! that are no message a defect of the server.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::{Answer, Method};
use crate::{
    fault::{Fault, Reason},
    outcome,
};

/// How tonic begins to speak of a message beyond a service's limit.
const TOO_LONG: &str = "Error, decoded message length too large: ";
/// How prost begins to speak of bytes that are no message.
const MALFORMED: &str = "failed to decode Protobuf message: ";

#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeLayer;

impl<S> Layer<S> for DecodeLayer {
    type Service = Decoded<S>;

    fn layer(&self, inner: S) -> Decoded<S> {
        Decoded { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Decoded<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Decoded<S>
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
        Box::pin(async move {
            let response = answer.await?;
            Ok(match fault(response.headers()) {
                Some(fault) => Status::from(fault).into_http(),
                None => response,
            })
        })
    }
}

/// The fault of a request that was not understood. What a method says itself carries details, or begins
/// in another way.
fn fault(headers: &HeaderMap) -> Option<Fault> {
    let code = outcome::code(headers).filter(|code| [Code::OutOfRange, Code::Internal].contains(code))?;
    let status = Status::from_header_map(headers).filter(|status| status.details().is_empty())?;
    match code {
        Code::OutOfRange => {
            let sizes = status.message().strip_prefix(TOO_LONG)?;
            Some(Fault::new(Reason::LimitExceeded, format!("the request is too large: {sizes}")))
        }
        _ => {
            let why = status.message().strip_prefix(MALFORMED)?;
            Some(Fault::new(Reason::InvalidRequest, format!("the request is malformed: {why}")))
        }
    }
}
