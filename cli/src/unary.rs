//! Calls of methods that take one message and answer with one.

use std::time::Duration;

use prost_reflect::DynamicMessage;
use tonic::{Request, Status};
use tributary_chassis::position::{POSITION, Positions};

use crate::{directory::Found, dynamic};

/// An answer, and the positions that it stands on.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) message: DynamicMessage,
    pub(crate) positions: Positions,
}

/// Makes the call; `timeout` also bounds the server.
pub(crate) async fn call(found: &Found, message: DynamicMessage, timeout: Duration) -> Result<Reply, Status> {
    let mut request = Request::new(vec![message]);
    request.set_timeout(timeout);
    let reply = dynamic::call(found.target.channel.clone(), &found.method, request).await?;
    let positions = match reply.metadata().get(POSITION) {
        Some(value) => value
            .to_str()
            .map_err(|error| Status::internal(format!("{POSITION} of the reply: {error}")))?
            .parse()
            .map_err(|error| Status::internal(format!("{POSITION} of the reply: {error}")))?,
        None => Positions::default(),
    };
    let mut replies = reply.into_inner();
    let message = replies.message().await?.ok_or_else(|| Status::internal("the reply has no message"))?;
    // Behind the message comes the status of the call.
    match replies.message().await? {
        None => Ok(Reply { message, positions }),
        Some(_) => Err(Status::internal("the reply has more than one message")),
    }
}
