//! Gives each call a trail, and the reply the positions that the call stood on, in its initial metadata.
//! A call that failed tells them too: they are true all the same.

use std::convert::Infallible;

use http::{HeaderValue, Request};
use tonic::body::Body;

use crate::{
    around::{Answer, Around, Next},
    position::POSITION,
    trail,
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct TellPositions;

impl Around for TellPositions {
    type Error = Infallible;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let answer = next.call(request);
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
