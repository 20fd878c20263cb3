//! A feed behind a real connection, for tests.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Uri;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::TcpIncoming};
use tributary_proto::feed::v1::change_feed_server;

use super::{
    ChangeFeed, FeedOptions, Log,
    memory::{self, MemoryLog},
};

/// No test waits longer for anything.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn feed(log: &Arc<MemoryLog>, options: FeedOptions, shutdown: &CancellationToken) -> ChangeFeed {
    feed_of(log.clone(), options, shutdown)
}

pub(super) fn feed_of(log: Arc<dyn Log>, options: FeedOptions, shutdown: &CancellationToken) -> ChangeFeed {
    ChangeFeed::new(log, memory::descriptors(), options, shutdown.clone())
}

/// A server on a port of its own, that ends with all its streams when dropped.
pub(super) struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Served {
    pub(super) async fn start(
        service: impl change_feed_server::ChangeFeed,
        shutdown: CancellationToken,
        at: Option<SocketAddr>,
    ) -> Self {
        let listener = TcpListener::bind(at.unwrap_or(([127, 0, 0, 1], 0).into())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(change_feed_server::ChangeFeedServer::new(service));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let stop = shutdown.clone().cancelled_owned();
        let serving = server.serve_with_incoming_shutdown(incoming, stop);
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, shutdown, task }
    }

    pub(super) async fn log(log: &Arc<MemoryLog>) -> Self {
        Self::log_at(log, ([127, 0, 0, 1], 0).into()).await
    }

    /// With progress so often that no test waits for it.
    pub(super) async fn log_at(log: &Arc<MemoryLog>, at: SocketAddr) -> Self {
        let shutdown = CancellationToken::new();
        let options = FeedOptions { progress_interval: Duration::from_millis(50), ..Default::default() };
        Self::start(feed(log, options, &shutdown), shutdown, Some(at)).await
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn uri(&self) -> Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Returns where it was, once nothing is left of it.
    pub(super) async fn stop(mut self) -> SocketAddr {
        self.shutdown.cancel();
        timeout(DEADLINE, &mut self.task).await.unwrap().unwrap();
        self.address
    }
}
