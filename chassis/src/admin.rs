//! The admin port, for probes and for who fetches metrics. Over plain HTTP /live says that the process
//! answers, /ready whether calls are welcome, /metrics what they cost; over gRPC, at the same port, the health
//! service says the first two, and whether the server has started.

mod health;

use std::{io, net::SocketAddr};

use axum::{
    Router, extract::State as Shared, http::StatusCode, http::header, response::IntoResponse, routing::get,
};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;

use self::health::Health;
use crate::{
    readiness::{Readiness, State},
    server::MAX_MESSAGE_BYTES,
};

/// The admin port; served until it is dropped.
pub(crate) struct Admin {
    address: SocketAddr,
    /// Ends what was accepted, the task what is accepted.
    _closed: DropGuard,
    _serving: AbortOnDropHandle<io::Result<()>>,
}

impl Admin {
    /// Begins to answer. `registry` is `None` where nothing is measured.
    pub(crate) fn serve(
        listener: TcpListener,
        address: SocketAddr,
        readiness: Readiness,
        registry: Option<Registry>,
    ) -> Self {
        let closed = CancellationToken::new();
        let router = router(readiness, registry, closed.clone());
        // Tells HTTP/1 and HTTP/2 apart by how a client begins.
        let serving = axum::serve(listener, router).with_graceful_shutdown(closed.clone().cancelled_owned());
        let serving = AbortOnDropHandle::new(tokio::spawn(async move { serving.await }));
        Self { address, _closed: closed.drop_guard(), _serving: serving }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn router(readiness: Readiness, registry: Option<Registry>, closed: CancellationToken) -> Router {
    let health = HealthServer::new(Health { readiness: readiness.clone(), closed });
    Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready).with_state(readiness))
        .route("/metrics", get(metrics).with_state(registry.unwrap_or_default()))
        .route_service(&path(&health), health.max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// Of all methods of a service.
fn path<S: NamedService>(_: &S) -> String {
    format!("/{}/{{*method}}", S::NAME)
}

async fn ready(Shared(readiness): Shared<Readiness>) -> (StatusCode, &'static str) {
    match readiness.state() {
        State::Serving => (StatusCode::OK, "ready\n"),
        State::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        State::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// What is measured when it is collected may look at files, which no thread that carries calls has to wait for.
async fn metrics(Shared(registry): Shared<Registry>) -> impl IntoResponse {
    let encoder = TextEncoder::new();
    let type_ = encoder.format_type().to_owned();
    let encoded = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        encoder.encode(&registry.gather(), &mut text).map(|()| text)
    });
    let failed = |why: String| {
        let type_ = "text/plain".to_owned();
        (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, type_)], why.into_bytes())
    };
    match encoded.await {
        Ok(Ok(text)) => (StatusCode::OK, [(header::CONTENT_TYPE, type_)], text),
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}
