//! A stand-in for an OpenTelemetry collector: it keeps what it is sent, or hangs as collectors do.

mod received;
mod services;

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Server, server::Router};

pub use self::received::{Log, Received, Span};
use self::services::Services;
use crate::{
    mesh::{free_address, own_loopback_address},
    wait,
};

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It is kept, for whoever looks.
    Keeps,
    /// It is counted and forgotten, so that a long measurement does not grow.
    Counts,
    /// It is read, and never answered.
    Hangs,
}

/// A collector on a loopback address of its own. It is gone when it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: String,
    received: Arc<Mutex<Received>>,
    serving: Option<JoinHandle<()>>,
}

impl Collector {
    /// Takes traces, metrics and logs, and keeps them.
    pub async fn start() -> Self {
        Self::serve(Manner::Keeps).await
    }

    /// Takes them and keeps their number alone.
    pub async fn that_counts() -> Self {
        Self::serve(Manner::Counts).await
    }

    /// Accepts connections, reads every request, and answers none.
    pub async fn that_never_answers() -> Self {
        Self::serve(Manner::Hangs).await
    }

    /// Accepts connections and reads nothing from them, so that whoever sends is stopped by the transport.
    pub async fn that_never_reads() -> Self {
        let listener = listen().await;
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            let mut held: Vec<TcpStream> = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Self { address: address.to_string(), received: Arc::default(), serving: Some(serving) }
    }

    /// An address at which nobody listens.
    pub fn absent() -> Self {
        let address = free_address(&own_loopback_address());
        Self { address, received: Arc::default(), serving: None }
    }

    /// The one that was absent comes, and keeps what it is sent from then on.
    pub async fn comes(&mut self) {
        assert!(self.serving.is_none(), "it is there");
        let listener = TcpListener::bind(&self.address).await.expect("the address is still free");
        *self = Self::serve_at(listener, Manner::Keeps);
    }

    async fn serve(manner: Manner) -> Self {
        Self::serve_at(listen().await, manner)
    }

    fn serve_at(listener: TcpListener, manner: Manner) -> Self {
        let received = Arc::<Mutex<Received>>::default();
        let router = router(&Services::new(Arc::clone(&received), manner));
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            router.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("the collector serves");
        });
        Self { address: address.to_string(), received, serving: Some(serving) }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has arrived so far. Nothing more does while it is held.
    pub fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().expect("nobody panicked with it")
    }

    /// Waits until `complete` says `Ok` of what has arrived; panics with its last `Err` when patience is at its end.
    pub async fn wait_for<T>(&self, what: &str, complete: impl Fn(&Received) -> Result<T, String>) -> T {
        let complete = &complete;
        wait::until(what, || async move { complete(&self.received()) }).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind((own_loopback_address(), 0)).await.expect("a free port")
}

fn router(services: &Services) -> Router {
    Server::builder()
        .add_service(services.traces())
        .add_service(services.metrics())
        .add_service(services.logs())
}
