//! What tonic says about a request that it cannot decode, in the terms of [`crate::fault`]: it calls a
//! message that is too long `OUT_OF_RANGE`, which in a feed means that a position has expired, and bytes
//! that are no message a defect of the server.

use std::convert::Infallible;

use http::{HeaderMap, Request};
use tonic::{Code, Status, body::Body};

use crate::{
    around::{Answer, Around, Next},
    fault::{Fault, Reason},
    outcome,
};

/// How tonic begins to speak of a message beyond a service's limit.
const TOO_LONG: &str = "Error, decoded message length too large: ";
/// How prost begins to speak of bytes that are no message.
const MALFORMED: &str = "failed to decode Protobuf message: ";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Decode;

impl Around for Decode {
    type Error = Infallible;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let answer = next.call(request);
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
