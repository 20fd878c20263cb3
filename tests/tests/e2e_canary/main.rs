//! What callers entrust to the mesh is told to nobody but those who ask for it: a word that stands in payloads, metadata, and
//! the parameters and literals of SQL is in no span, log or metric, however much is logged.
//!
//! Ids of entities, names of views and of consumers are what operators know things by, and may be told.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

mod commands;
mod outlets;
mod queries;

use std::collections::BTreeSet;

use mesh_tests::{
    collector::{Collector, Received},
    mesh::{Mesh, MeshOptions},
};
use tonic::{Code, Request, Response, Status};

use self::outlets::{EVERYBODY, Outlets};

/// A word that nothing else has. With what is behind it, it says where it was put.
const CANARY: &str = "kingfisher";

/// The word, and where it is put.
fn canary(place: &str) -> String {
    format!("{CANARY}-{place}")
}

/// A request that says it in its metadata, too.
fn told<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    for name in ["x-note", "authorization", "cookie", "baggage", "forwarded"] {
        metadata.insert(name, canary(name).parse().unwrap());
    }
    let bytes = canary("bytes");
    metadata.insert_bin("x-note-bin", tonic::metadata::MetadataValue::from_bytes(bytes.as_bytes()));
    request
}

/// The call was refused, and what it is told says why.
fn refused<T>(answer: Result<Response<T>, Status>, code: Code) -> String {
    let status = answer.map(drop).expect_err("it is refused");
    assert_eq!(status.code(), code, "{status}");
    status.message().to_owned()
}

async fn loud_mesh(collector: &Collector, log_format: &str, api: &std::path::Path) -> Mesh {
    MeshOptions::default()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
        .variable("OTEL_BSP_SCHEDULE_DELAY", "100")
        .variable("OTEL_BLRP_SCHEDULE_DELAY", "100")
        .variable("OTEL_BLRP_MAX_QUEUE_SIZE", "100000")
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "500")
        .variable("RUST_LOG", "debug")
        .variable("TRIBUTARY_LOG_FORMAT", log_format)
        .gateway_flag("--api", &api.display().to_string())
        .start()
        .await
}

/// Everything that the processes of a mesh tell while the word goes through it, until they have ended.
async fn told_by_a_mesh(log_format: &str) -> (Outlets, Collector) {
    let collector = Collector::start().await;
    let directory = tempfile::tempdir().unwrap();
    let api = directory.path().join("api.proto");
    std::fs::write(&api, queries::API).unwrap();
    let mut mesh = loud_mesh(&collector, log_format, &api).await;
    let clients = mesh.clients();
    commands::succeed(&clients).await;
    commands::fail(&clients).await;
    clients.wait_at_rest().await;
    queries::succeed(&clients, &mesh).await;
    queries::fail(&clients, &mesh).await;

    let mut outlets = Outlets::default();
    for name in EVERYBODY {
        outlets.scraped(name, mesh.process(name).metrics().await);
    }
    // The end brings out what had not left yet.
    for name in EVERYBODY {
        let process = mesh.process_mut(name);
        assert_eq!(process.terminate(), Some(0), "{name}");
        outlets.printed(name, process.log());
    }
    outlets.received(&collector.received());
    (outlets, collector)
}

async fn nothing_is_told(log_format: &str) {
    let (outlets, collector) = told_by_a_mesh(log_format).await;
    // What is there, is found: by everybody, on every way, at the level that was asked for.
    let everybody = BTreeSet::from(EVERYBODY);
    for (kind, text) in [
        ("span", "rpc.response.status_code"),
        ("metric", "rpc.server.call.duration"),
        ("log", "call ended"),
        ("printed", "call ended"),
        ("scraped", "rpc_server_call_duration_seconds_count"),
    ] {
        assert_eq!(outlets.tellers(kind, text), everybody, "who tells `{text}` by {kind}");
    }
    assert_eq!(outlets.places(CANARY), Vec::<String>::new());
    logs_are_found_by_their_trace(&collector.received());
}

/// Everybody's logs of a call have the trace in which their spans of it are.
fn logs_are_found_by_their_trace(received: &Received) {
    let spans: BTreeSet<_> = received.spans().map(|span| (span.service, span.trace_id)).collect();
    let mut tellers = BTreeSet::new();
    for log in received.logs().filter(|log| log.body == "call ended") {
        let trace_id = log.trace_id.clone().unwrap_or_else(|| panic!("{log:?} is of no trace"));
        assert!(spans.contains(&(log.service.clone(), trace_id)), "no span of {log:?}");
        assert!(log.severity == "DEBUG" && log.fields.contains_key("status"), "{log:?}");
        tellers.insert(log.service);
    }
    assert_eq!(tellers, EVERYBODY.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_metadata_or_parameter_is_told_with_logs_as_text() {
    nothing_is_told("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_metadata_or_parameter_is_told_with_logs_as_json() {
    nothing_is_told("json").await;
}
