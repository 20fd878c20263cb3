//! Servers that tests call, and what can happen to the way to them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::uri::Authority;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::util::MapRequestLayer;

use crate::puppet::Puppet;

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A puppet behind a real connection, that tells its health.
pub(crate) struct Callee {
    pub(crate) puppet: Puppet,
    /// Of the last request.
    pub(crate) authority: Arc<Mutex<Option<Authority>>>,
    health: HealthReporter,
    relay: Relay,
    _serving: AbortOnDropHandle<()>,
}

impl Callee {
    pub(crate) async fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = listener.local_addr().unwrap();
        let (health, health_server) = tonic_health::server::health_reporter();
        let (puppet, authority) = (Puppet::new(), Arc::new(Mutex::new(None)));
        let note = {
            let authority = authority.clone();
            MapRequestLayer::new(move |request: http::Request<_>| {
                *authority.lock().unwrap() = request.uri().authority().cloned();
                request
            })
        };
        let server = Server::builder().layer(note).add_service(health_server).add_service(puppet.server());
        let serving = tokio::spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        let relay = Relay::to(behind, address).await;
        Self { puppet, authority, health, relay, _serving: AbortOnDropHandle::new(serving) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.address
    }

    pub(crate) async fn tell(&self, status: ServingStatus) {
        self.health.set_service_status("", status).await;
    }

    /// From now on packets from and to it are lost; connections to it can be made, but not used.
    pub(crate) fn freeze(&self) {
        self.relay.freeze();
    }
}

/// Stands between callers and a server. Dropped, its connections break, and no more can be made.
pub(crate) struct Relay {
    address: SocketAddr,
    frozen: watch::Sender<bool>,
    _relaying: AbortOnDropHandle<()>,
}

impl Relay {
    pub(crate) async fn to(behind: SocketAddr, at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let frozen = watch::Sender::new(false);
        let relaying = relay(listener, behind, frozen.subscribe());
        Self { address, frozen, _relaying: AbortOnDropHandle::new(tokio::spawn(relaying)) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

async fn relay(listener: TcpListener, behind: SocketAddr, frozen: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let mut frozen = frozen.clone();
        connections.spawn(async move {
            let Ok(mut far) = TcpStream::connect(behind).await else { return };
            let (_, _) = (near.set_nodelay(true), far.set_nodelay(true));
            tokio::select! {
                biased;
                _ = frozen.wait_for(|frozen| *frozen) => {}
                _ = copy_bidirectional(&mut near, &mut far) => return,
            }
            // Open, and silent.
            std::future::pending::<()>().await;
        });
    }
}

/// An address at which connecting takes for ever: the queue of its listener is full, and nobody accepts.
pub(crate) struct FullQueue {
    pub(crate) address: SocketAddr,
    _queue: (tokio::net::TcpListener, Vec<TcpStream>),
}

impl FullQueue {
    pub(crate) async fn new() -> Self {
        let listener = TcpSocket::new_v4().unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queue.push(stream);
        }
        Self { address, _queue: (listener, queue) }
    }
}

/// Where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Waits until `condition` holds, and tells how long that took.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let start = std::time::Instant::now();
    while !condition().await {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}
