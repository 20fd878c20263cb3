//! The connection: made when first needed, made again when it broke, watched while it is idle.

use std::{
    error::Error,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use tonic::{
    Code, Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::Service;

use super::{Answer, Target};
use crate::fault::{Fault, Reason};

/// An endpoint that is silent for this long is asked whether it is still there ...
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// ... and has this long to answer.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) struct Connection {
    target: Arc<Target>,
    channel: Channel,
}

impl Connection {
    pub(super) fn new(target: Arc<Target>, connect_timeout: Duration) -> Self {
        // Without a limit, an address that swallows packets would hold a call until its deadline.
        let channel = Endpoint::from(target.uri.clone())
            .connect_timeout(connect_timeout)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_lazy();
        Self { target, channel }
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let target = &self.target;
        self.channel.poll_ready(context).map_err(|error| broken(target, error))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let target = self.target.clone();
        let answer = self.channel.call(request);
        Box::pin(async move {
            let response = answer.await.map_err(|error| broken(&target, error))?;
            // What the service itself has to say comes as trailers: an error of the body is the connection's.
            Ok(response.map(|body| Body::new(body.map_err(move |error| broken(&target, error)))))
        })
    }
}

/// What went wrong below gRPC, with the name of whom it went wrong with.
fn broken(target: &Target, error: impl Into<Box<dyn Error + Send + Sync>>) -> Status {
    let status = Status::from_error(error.into());
    match status.code() {
        // A connection that breaks under a call has many names; to the caller they are one.
        Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled => {
            Fault::new(Reason::Unavailable, format!("{target} cannot be reached")).with_source(status).into()
        }
        _ => status,
    }
}
