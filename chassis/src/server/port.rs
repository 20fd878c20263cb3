//! One port for gRPC: what is served at it, and beside that its health and its reflection.

use std::{borrow::Cow, convert::Infallible, net::SocketAddr};

use axum::{Router, response::IntoResponse};
use http::Request;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{
    Status,
    body::Body,
    server::NamedService,
    service::Routes,
    transport::{Error, server::Server as Transport},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::{Service, ServiceExt as _};

use super::{bind, incoming, limits::Limits, methods};
use crate::{
    fault::{Fault, Reason},
    inbound::Inbound,
    readiness::{State, States},
    run::StartError,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What can be served at a path: all that generated servers are, and what is like them.
pub(super) trait Answers:
    Service<Request<Body>, Error = Infallible, Response: IntoResponse, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Answers for S where
    S: Service<Request<Body>, Error = Infallible, Response: IntoResponse, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A port that is taken, and refuses connections until it listens.
pub(super) struct Port {
    socket: TcpSocket,
    address: SocketAddr,
    pub(super) limits: Limits,
    router: Router,
    /// What has a path, whether it is told of or not.
    names: Vec<String>,
    /// What has health and is listed in reflection.
    services: Vec<String>,
    descriptors: Vec<Cow<'static, [u8]>>,
}

impl Port {
    /// Takes the address.
    pub(super) fn reserve(address: SocketAddr) -> Result<Self, StartError> {
        let (socket, address) = bind::reserve(address)?;
        Ok(Self {
            socket,
            address,
            limits: Limits::default(),
            router: Router::new().fallback(unknown_method),
            names: Vec::new(),
            services: Vec::new(),
            descriptors: [
                tributary_proto::FILE_DESCRIPTOR_SET,
                tonic_health::pb::FILE_DESCRIPTOR_SET,
                tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
                // So that a client that knows a server by reflection alone can show the details of an error.
                tonic_types::pb::FILE_DESCRIPTOR_SET,
            ]
            .map(Cow::from)
            .to_vec(),
        })
    }

    /// The real address, also where port 0 was asked for.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `service` under its full name, tells its health, and lists it.
    pub(super) fn add(&mut self, name: &str, service: impl Answers) -> Result<(), StartError> {
        self.add_unlisted(name, service)?;
        self.services.push(name.to_owned());
        Ok(())
    }

    /// Serves `service` without telling of it.
    pub(super) fn add_unlisted(&mut self, name: &str, service: impl Answers) -> Result<(), StartError> {
        if self.names.iter().any(|known| known == name) {
            return Err(StartError::message(format!("service {name} is added twice")));
        }
        self.names.push(name.to_owned());
        let service = service.map_request(|request: Request<axum::body::Body>| request.map(Body::new));
        self.route(|router| router.route_service(&format!("/{name}/{{*method}}"), service));
        Ok(())
    }

    pub(super) fn route(&mut self, change: impl FnOnce(Router) -> Router) {
        self.router = change(std::mem::take(&mut self.router));
    }

    /// Shows these types in reflection.
    pub(super) fn describe(&mut self, set: Cow<'static, [u8]>) {
        self.descriptors.push(set);
    }

    /// Adds health and reflection: nothing more is added behind them.
    pub(super) async fn complete(mut self) -> Result<Complete, StartError> {
        let (health, service) = tonic_health::server::health_reporter();
        self.add_named(service)?;
        let names = [self.services.as_slice(), &methods::reflection_services()].concat();
        let (v1, v1alpha) = methods::reflection(&names, &self.descriptors)?;
        self.add_named(v1)?;
        self.add_named(v1alpha)?;
        // A reporter begins with SERVING for the server as a whole.
        tell(&health, &self.services, State::Starting).await;
        Ok(Complete { port: self, health })
    }

    fn add_named<S: Answers + NamedService>(&mut self, service: S) -> Result<(), StartError> {
        self.add(S::NAME, service)
    }
}

/// A port with all that is served at it.
pub(super) struct Complete {
    port: Port,
    health: HealthReporter,
}

impl Complete {
    /// From here on connections are taken; they are accepted by [`Listening::serve`].
    pub(super) fn listen(self, inbound: &Inbound) -> Result<Listening, StartError> {
        let Self { port, health } = self;
        let Port { socket, address, limits, router, services, descriptors, .. } = port;
        let methods = methods::of(&services, &descriptors)?.into();
        let inbound = Inbound { methods, ..inbound.clone() };
        let listener = socket.listen(BACKLOG).map_err(|e| bind::failed(address, e))?;
        Ok(Listening { listener, limits, router, inbound, services, health })
    }
}

/// A port to which callers can connect.
pub(super) struct Listening {
    listener: TcpListener,
    limits: Limits,
    router: Router,
    inbound: Inbound,
    services: Vec<String>,
    health: HealthReporter,
}

impl Listening {
    /// Tells the health of all that is served here, until it is dropped.
    pub(super) fn tell(&self, mut states: States) -> AbortOnDropHandle<()> {
        let (health, services) = (self.health.clone(), self.services.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(state) = states.next().await {
                tell(&health, &services, state).await;
            }
        }))
    }

    /// Serves until `shutdown`, and until the last connection is closed.
    pub(super) async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { listener, limits, router, inbound, .. } = self;
        Transport::builder()
            .http2_keepalive_interval(Some(limits.keepalive_interval))
            .http2_keepalive_timeout(Some(limits.keepalive_timeout))
            .max_concurrent_streams(limits.streams)
            .layer(inbound.layer())
            .serve_with_incoming_shutdown(
                Routes::from(router).prepare(),
                incoming::bounded(listener, limits.connections),
                shutdown.cancelled_owned(),
            )
            .await
    }
}

async fn tell(health: &HealthReporter, services: &[String], state: State) {
    let status = match state {
        State::Serving => ServingStatus::Serving,
        State::Starting | State::Draining => ServingStatus::NotServing,
    };
    tracing::debug!(?state, "readiness");
    for service in services.iter().map(String::as_str).chain([""]) {
        health.set_service_status(service, status).await;
    }
}

async fn unknown_method(request: Request<axum::body::Body>) -> http::Response<Body> {
    let text = format!("there is no method {}: reflection lists those that there are", request.uri().path());
    Status::from(Fault::new(Reason::Unimplemented, text)).into_http()
}
