//! A gRPC server with everything around it: health, reflection, readiness, the admin port, the address
//! file, the inbound layers and an end within a bound.

pub(crate) mod address;
mod bind;
mod incoming;
mod limits;
mod methods;
mod port;
mod serve;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    convert::Infallible,
    fmt, fs,
    future::{Future, ready},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::response::IntoResponse;
use futures::{future::BoxFuture, stream::FuturesUnordered};
use http::Request;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, server::NamedService, service::Routes};
use tower::{Service, ServiceExt as _, service_fn};

use self::{
    limits::Limits,
    port::{Answers, Port},
};
use crate::{
    admin::Admin,
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

/// A server whose ports are taken, and which serves when told to.
///
/// Until [`Server::serve`] the gRPC ports refuse connections, rather than letting calls wait; the admin
/// port already answers that the process is alive and not ready.
///
/// The end has three moments. At the first signal the server is *not ready*, and says so. When the drain delay
/// is over, which is at once where none is given, it *shuts down*: see [`Server::shutdown`]. And when the
/// drain timeout is over, what still runs is ended.
pub struct Server {
    name: String,
    data_dir: PathBuf,
    grpc: Port,
    /// Where the change feed has a port of its own.
    feed: Option<Port>,
    admin: Admin,
    drain_delay: Duration,
    drain_timeout: Duration,
    inbound: Inbound,
    readiness: Readiness,
    starting: ReadyHandle,
    serving: Arc<AtomicBool>,
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
        let grpc = Port::reserve(args.listen)?;
        let (admin, admin_address) = bind::listen(admin_address)?;
        let data_dir = args.data_dir_of(name);
        fs::create_dir_all(&data_dir)
            .map_err(|e| StartError::new(format!("creating the data directory {}", data_dir.display()), e))?;

        let readiness = Readiness::new();
        let starting = readiness.handle();
        Ok(Self {
            name: name.to_owned(),
            data_dir,
            grpc,
            feed: None,
            admin: Admin::serve(admin, admin_address, readiness.clone(), registry),
            drain_delay: args.drain_delay,
            drain_timeout: args.drain_timeout,
            inbound: Inbound {
                max_in_flight: args.max_in_flight,
                default_deadline: args.default_deadline,
                drain: Drain::default(),
                methods: Default::default(),
            },
            readiness,
            starting,
            serving: Arc::default(),
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
        self.grpc.address()
    }

    /// The real address of the change feed, where it has a port of its own.
    pub fn feed_address(&self) -> Option<SocketAddr> {
        self.feed.as_ref().map(Port::address)
    }

    /// The real admin address.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Cancelled when the server takes no more calls: at the first signal, or the drain delay after it. Until
    /// then whatever works beside the calls goes on, since callers still come. Streams that do not end by
    /// themselves must then end, with [`Reason::Draining`]. Cancelling it drains the server without a delay.
    pub fn shutdown(&self) -> CancellationToken {
        self.inbound.drain.shutdown.clone()
    }

    /// Cancelled at the first signal; cancelling it is one. From then on the server is not ready.
    pub(crate) fn leaving(&self) -> CancellationToken {
        self.inbound.drain.leaving.clone()
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
        // Told by `serve`: there is one way to fail, not one per service.
        match self.grpc.add(name, service) {
            Ok(()) => self,
            Err(error) => self.fail_on(ready(error)),
        }
    }

    /// Serves other routes as well; a fallback of theirs is left out. They have no health and are not
    /// listed: see [`Server::add_dynamic_service`].
    pub fn add_routes(&mut self, routes: impl Into<Routes>) -> &mut Self {
        self.grpc.route(|router| router.merge(routes.into().into_axum_router().reset_fallback()));
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
        self.grpc.route(|router| router.fallback_service(service));
        self
    }

    /// Shows these types in reflection: an encoded `FileDescriptorSet` with all that it imports.
    pub fn descriptors(&mut self, set: impl Into<Cow<'static, [u8]>>) -> &mut Self {
        self.grpc.describe(set.into());
        self
    }

    /// Serves the change feed of `outbox`, shows its messages in reflection (see [`Server::descriptors`]), and
    /// stops the server when the store does. The one way in which a service publishes.
    ///
    /// The feed is served at the gRPC port, or at [`FeedOptions::listen`] and there alone.
    pub fn publish<M: Published>(
        &mut self,
        outbox: &Outbox<M>,
        descriptors: &'static [u8],
        options: FeedOptions,
    ) -> &mut Self {
        let FeedOptions { listen, max_subscribers, .. } = options;
        let feed = feed::server(outbox.log(), descriptors, options, self.shutdown());
        let outbox = outbox.clone();
        self.descriptors(descriptors).fail_on(async move { outbox.stopped().await });
        let Some(listen) = listen else { return self.add_service(feed) };
        let limits = Limits::of_feed(max_subscribers);
        match self.add_feed_port(listen, limits, feed, descriptors) {
            Ok(()) => self,
            Err(error) => self.fail_on(ready(error)),
        }
    }

    fn add_feed_port<S: Answers + NamedService>(
        &mut self,
        listen: SocketAddr,
        limits: Limits,
        feed: S,
        descriptors: &'static [u8],
    ) -> Result<(), StartError> {
        self.grpc.add_unlisted(S::NAME, service_fn(async |_| Ok(feed_is_elsewhere())))?;
        let port = self.feed.insert(Port::reserve(listen)?);
        port.limits = limits;
        port.describe(descriptors.into());
        port.add(S::NAME, feed)
    }

    /// Stops the server with an error when `failure` is there, for what makes it useless to go on.
    pub fn fail_on<F>(&mut self, failure: F) -> &mut Self
    where
        F: Future<Output: Into<StartError>> + Send + 'static,
    {
        self.failures.push(Box::pin(async { failure.await.into() }));
        self
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

/// Not where it is: who may follow is told.
fn feed_is_elsewhere() -> http::Response<Body> {
    Status::from(Fault::new(Reason::Unimplemented, "the change feed is served at another port")).into_http()
}
