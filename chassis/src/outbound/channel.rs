//! The connection to one address: made when first needed, made again when it broke, watched while it is idle.

use std::{
    error::Error,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Uri, uri::PathAndQuery};
use http_body_util::BodyExt as _;
use tonic::{
    Code, ConnectError, Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceExt as _};

use super::{OutboundOptions, Target, breaker::Breaker};
use crate::{
    around::Answer,
    fault::{Fault, Reason},
    resolve::Addresses,
};

// More often than some servers of other languages allow: callees are servers of this crate, which allow it.

/// An address that is silent for this long is asked whether it is still there ...
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// ... and has this long to answer: one that swallows packets is missed within 4 s.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// To `address`, and in the name of `uri`: that is what the callee reads as `:authority`.
pub(super) fn to(address: SocketAddr, uri: &Uri, options: &OutboundOptions) -> Channel {
    // Without a limit, an address that swallows packets would hold a call until its deadline.
    endpoint(address, uri)
        .connect_timeout(options.connect_timeout)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_lazy()
}

/// `address` as the place of `uri`.
pub(crate) fn endpoint(address: SocketAddr, uri: &Uri) -> Endpoint {
    let mut place = uri.clone().into_parts();
    // The text of an address is an authority; were it not, the name would be looked up by the connection.
    place.authority = address.to_string().parse().ok().or(place.authority);
    place.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    let place = Uri::from_parts(place).unwrap_or_else(|_| uri.clone());
    Endpoint::from(place).origin(uri.clone())
}

#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) target: Arc<Target>,
    pub(super) channel: Channel,
    pub(super) breaker: Arc<Breaker>,
    pub(super) addresses: Addresses,
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer<Status>;

    /// Any time: to wait for the connection is a part of the call, which has a limit.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer<Status> {
        let Self { target, channel, breaker, addresses } = self.clone();
        let answer = channel.oneshot(request);
        Box::pin(async move {
            let response = answer.await.map_err(|error| {
                if is_unreachable(&error) {
                    breaker.eject();
                    addresses.look_again();
                }
                broken(&target, error)
            })?;
            // What the service itself has to say comes as trailers: an error of the body is the connection's.
            Ok(response.map(|body| Body::new(body.map_err(move |error| broken(&target, error)))))
        })
    }
}

/// Whether a call never left, since no connection could be made.
fn is_unreachable(error: &(dyn Error + 'static)) -> bool {
    error.is::<ConnectError>() || error.source().is_some_and(is_unreachable)
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
