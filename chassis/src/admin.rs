//! The admin port: plain HTTP for probes and for who fetches metrics. /live says that the process
//! answers, /ready whether calls are welcome, /metrics what they cost.

use axum::{
    Router, extract::State as Shared, http::StatusCode, http::header, response::IntoResponse, routing::get,
};
use prometheus::{Encoder as _, Registry, TextEncoder};

use crate::readiness::{Readiness, State};

/// The admin port's routes. `registry` is `None` where nothing is measured.
pub(crate) fn router(readiness: Readiness, registry: Option<Registry>) -> Router {
    Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready).with_state(readiness))
        .route("/metrics", get(metrics).with_state(registry.unwrap_or_default()))
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
