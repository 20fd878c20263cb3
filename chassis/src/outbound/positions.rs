//! What another service answered stands on its positions, so the caller's answer does too: they are
//! taken over into the trail of the call at hand.

use http::Request;
use tonic::{Status, body::Body};

use crate::{
    around::{Answer, Around, Next},
    position::{POSITION, Positions},
    trail,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct TakePositions;

impl Around for TakePositions {
    type Error = Status;

    fn call<S: Next<Self::Error>>(&self, next: &mut S, request: Request<Body>) -> Answer<Self::Error> {
        let answer = next.call(request);
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
