//! A gRPC server with everything around it: health, reflection, readiness, the admin port, the address
//! file, the inbound layers and an end within a bound.

mod address;
mod bind;
mod incoming;
mod methods;
mod serve;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    convert::Infallible,
    fmt, fs,
    future::{Future, ready},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::{Router, response::IntoResponse};
use futures::{future::BoxFuture, stream::FuturesUnordered};
use http::Request;
use prometheus::Registry;
use tokio::net::TcpSocket;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{body::Body, server::NamedService, service::Routes};
use tower::{Service, ServiceExt as _};

use crate::{
    admin,
    fault::{Fault, Reason},
    feed::{self, FeedOptions},
    inbound::{Inbound, drain::Drain},
    outbox::{Outbox, Published},
    readiness::{Readiness, ReadyHandle},
    run::StartError,
    settings::ServerArgs,
};

/// Largest message that a service accepts: 1 MiB. Every generated server is given it by
/// `max_decoding_message_size`.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// What connections are held to.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at the same time; more wait to be accepted.
    connections: usize,
    /// Streams of one at the same time; more wait at the client.
    streams: u32,
    /// A peer that is silent for this long is asked whether it is still there ...
    keepalive_interval: Duration,
    /// ... and has this long to answer.
    keepalive_timeout: Duration,
}

const LIMITS: Limits = Limits {
    // Half of the file descriptors that a process has by default.
    connections: 512,
    streams: 1024,
    keepalive_interval: Duration::from_secs(20),
    keepalive_timeout: Duration::from_secs(10),
};

/// A server whose ports are taken, and which serves when told to.
///
/// Until [`Server::serve`] the gRPC port refuses connections, rather than letting calls wait; the admin
/// port already answers that the process is alive and not ready.
pub struct Server {
    name: String,
    data_dir: PathBuf,
    socket: TcpSocket,
    address: SocketAddr,
    admin_address: SocketAddr,
    /// Serves the admin port until it is dropped.
    _admin: AbortOnDropHandle<io::Result<()>>,
    drain_timeout: Duration,
    limits: Limits,
    inbound: Inbound,
    readiness: Readiness,
    starting: ReadyHandle,
    serving: Arc<AtomicBool>,
    router: Router,
    services: Vec<String>,
    descriptors: Vec<Cow<'static, [u8]>>,
    failures: FuturesUnordered<BoxFuture<'static, StartError>>,
}

impl Server {
    /// Takes the ports and makes the data directory, inside of a runtime. For tests; a process uses
    /// [`run`](crate::run()), which does it.
    pub fn bind(name: &str, args: &ServerArgs) -> Result<Self, StartError> {
        Self::bind_measured(name, args, None)
    }

    pub(crate) fn bind_measured(
        name: &str,
        args: &ServerArgs,
        registry: Option<Registry>,
    ) -> Result<Self, StartError> {
        let Some(admin_address) = args.admin_address() else {
            return Err(StartError::usage(
                "--listen",
                args.listen,
                "leaves no room for --admin-listen: give it",
            ));
        };
        let (socket, address) = bind::reserve(args.listen)?;
        let (admin, admin_address) = bind::listen(admin_address)?;
        let data_dir = args.data_dir_of(name);
        fs::create_dir_all(&data_dir)
            .map_err(|e| StartError::new(format!("creating the data directory {}", data_dir.display()), e))?;

        let readiness = Readiness::new();
        let starting = readiness.handle();
        let router = admin::router(readiness.clone(), registry);
        let admin = tokio::spawn(async move { axum::serve(admin, router).await });
        Ok(Self {
            name: name.to_owned(),
            data_dir,
            socket,
            address,
            admin_address,
            _admin: AbortOnDropHandle::new(admin),
            drain_timeout: args.drain_timeout,
            limits: LIMITS,
            inbound: Inbound {
                max_in_flight: args.max_in_flight,
                default_deadline: args.default_deadline,
                drain: Drain::default(),
                methods: Default::default(),
            },
            readiness,
            starting,
            serving: Arc::default(),
            router: Router::new().fallback(unknown_method),
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
            failures: FuturesUnordered::new(),
        })
    }

    /// Name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the service keeps what it keeps.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The real gRPC address, also where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The real admin address.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Cancelled at the first signal. Streams that do not end by themselves must then end, with
    /// [`Reason::Draining`]; cancelling it drains the server as a signal does.
    pub fn shutdown(&self) -> CancellationToken {
        self.inbound.drain.shutdown.clone()
    }

    /// Holds the server back from being ready until it is dropped.
    pub fn ready_handle(&self) -> ReadyHandle {
        self.readiness.handle()
    }

    /// Whether [`Server::serve`] was reached.
    pub(crate) fn serving(&self) -> Arc<AtomicBool> {
        self.serving.clone()
    }

    /// Serves `service`, tells its health, and lists it in reflection.
    pub fn add_service<S>(&mut self, service: S) -> &mut Self
    where
        S: Service<Request<Body>, Error = Infallible, Response: IntoResponse, Future: Send + 'static>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.add_dynamic_service(S::NAME, service)
    }

    /// [`Server::add_service`] for a service whose full name is known at run time only.
    pub fn add_dynamic_service<S>(&mut self, name: &str, service: S) -> &mut Self
    where
        S: Service<Request<Body>, Error = Infallible, Response: IntoResponse, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        if self.services.iter().any(|known| known == name) {
            // Told by `serve`: there is one way to fail, not one per service.
            let twice = StartError::message(format!("service {name} is added twice"));
            return self.fail_on(ready(twice));
        }
        let service = service.map_request(|request: Request<axum::body::Body>| request.map(Body::new));
        self.route(|router| router.route_service(&format!("/{name}/{{*method}}"), service));
        self.services.push(name.to_owned());
        self
    }

    /// Serves other routes as well; a fallback of theirs is left out. They have no health and are not
    /// listed: see [`Server::add_dynamic_service`].
    pub fn add_routes(&mut self, routes: impl Into<Routes>) -> &mut Self {
        self.route(|router| router.merge(routes.into().into_axum_router().reset_fallback()));
        self
    }

    /// Serves every path that nobody else does.
    pub fn fallback_service<S>(&mut self, service: S) -> &mut Self
    where
        S: Service<Request<Body>, Error = Infallible, Response: IntoResponse, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let service = service.map_request(|request: Request<axum::body::Body>| request.map(Body::new));
        self.route(|router| router.fallback_service(service));
        self
    }

    /// Shows these types in reflection: an encoded `FileDescriptorSet` with all that it imports.
    pub fn descriptors(&mut self, set: impl Into<Cow<'static, [u8]>>) -> &mut Self {
        self.descriptors.push(set.into());
        self
    }

    /// Serves the change feed of `outbox`, shows its messages in reflection (see [`Server::descriptors`]), and
    /// stops the server when the store does.
    pub fn publish<M: Published>(
        &mut self,
        outbox: &Outbox<M>,
        descriptors: &'static [u8],
        options: FeedOptions,
    ) -> &mut Self {
        let feed = feed::server(outbox.log(), descriptors, options, self.shutdown());
        let outbox = outbox.clone();
        self.descriptors(descriptors).add_service(feed).fail_on(async move { outbox.stopped().await })
    }

    /// Stops the server with an error when `failure` is there, for what makes it useless to go on.
    pub fn fail_on<F>(&mut self, failure: F) -> &mut Self
    where
        F: Future<Output: Into<StartError>> + Send + 'static,
    {
        self.failures.push(Box::pin(async { failure.await.into() }));
        self
    }

    fn route(&mut self, change: impl FnOnce(Router) -> Router) {
        self.router = change(std::mem::take(&mut self.router));
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

async fn unknown_method(request: Request<axum::body::Body>) -> http::Response<Body> {
    let text = format!("there is no method {}: reflection lists those that there are", request.uri().path());
    tonic::Status::from(Fault::new(Reason::Unimplemented, text)).into_http()
}
