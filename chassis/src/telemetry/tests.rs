//! Traces across calls, what is measured, and what leaves for a collector.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::body::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use opentelemetry::{
    Value,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, Status, body::Body};
use tracing::{Instrument as _, subscriber::DefaultGuard};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tributary_proto::feed::v1::{DescribeRequest, change_feed_client::ChangeFeedClient};

use super::*;
use crate::{
    outbound::{self, Outbound, OutboundOptions},
    puppet::{Puppet, tell},
    run::process::Process,
    server::Server,
    settings::ServerArgs,
    trace::tests::Ended,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Traces of this thread alone, which is why the tests run on one.
fn trace(provider: &SdkTracerProvider) -> DefaultGuard {
    global::set_text_map_propagator(TraceContextPropagator::new());
    tracing::subscriber::set_default(tracing_subscriber::registry().with(trace_layer(provider)))
}

async fn puppet() -> (tempfile::TempDir, Outbound) {
    let directory = tempfile::tempdir().unwrap();
    let args = ServerArgs { data_dir: Some(directory.path().to_owned()), ..Default::default() };
    let mut server = Server::bind("puppet", &args).unwrap();
    server.add_service(Puppet::new().server());
    let uri: Uri = format!("http://{}", server.address()).parse().unwrap();
    tokio::spawn(server.serve());
    (directory, outbound::connect("puppet", uri, OutboundOptions::default()))
}

struct Traceparent(String);

impl Extractor for Traceparent {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

fn context(traceparent: &str) -> opentelemetry::Context {
    TraceContextPropagator::new().extract(&Traceparent(traceparent.to_owned()))
}

fn span_context(traceparent: &str) -> SpanContext {
    context(traceparent).span().span_context().clone()
}

#[tokio::test]
async fn the_callees_span_hangs_below_the_callers() {
    let ended = Ended::default();
    let provider = ended.provider();
    let _guard = trace(&provider);
    let (_directory, outbound) = puppet().await;
    let outer = tracing::info_span!("outer");
    outer.set_parent(context(&format!("00-{TRACE}-00f067aa0ba902b7-01"))).unwrap();
    let mut client = ChangeFeedClient::new(outbound);
    let received = async {
        client.describe(tell("fail 13")).await.unwrap_err();
        client.describe(tell("header traceparent")).await.unwrap().into_inner().service
    };
    let received = received.instrument(outer.clone()).await;
    let outer_id = outer.context().span().span_context().span_id();
    drop(outer);

    let spans = ended.spans();
    let named = |kind: &str| {
        let spans = spans.iter().filter(|span| format!("{:?}", span.span_kind) == kind).cloned();
        <[SpanData; 2]>::try_from(spans.collect::<Vec<_>>()).unwrap()
    };
    let (clients, servers) = (named("Client"), named("Server"));
    for span in clients.iter().chain(&servers) {
        assert_eq!(span.span_context.trace_id().to_string(), TRACE);
        assert_eq!(span.name, "tributary.feed.v1.ChangeFeed/Describe");
    }
    assert!(clients.iter().all(|span| span.parent_span_id == outer_id));
    for (client, server) in clients.iter().zip(&servers) {
        assert_eq!(server.parent_span_id, client.span_context.span_id());
    }
    assert_eq!(span_context(&received).span_id(), clients[1].span_context.span_id());
    let codes = servers.each_ref().map(|span| {
        let mut attributes = span.attributes.iter();
        attributes.find(|a| a.key.as_str() == "rpc.response.status_code").map(|a| a.value.clone())
    });
    assert_eq!(codes, [Some(Value::from("INTERNAL")), Some(Value::from("OK"))]);
    assert!(matches!(servers[0].status, opentelemetry::trace::Status::Error { .. }));
}

#[tokio::test]
async fn a_context_goes_on_where_nothing_is_traced() {
    let provider = export::traces(Resource::builder_empty().build(), false).unwrap();
    let _guard = trace(&provider);
    let (_directory, outbound) = puppet().await;
    for flags in ["00", "01"] {
        let outer = tracing::info_span!("outer");
        outer.set_parent(context(&format!("00-{TRACE}-00f067aa0ba902b7-{flags}"))).unwrap();
        let mut client = ChangeFeedClient::new(outbound.clone());
        let reply = client.describe(tell("header traceparent")).instrument(outer).await.unwrap();
        let received = reply.into_inner().service;
        assert_eq!(span_context(&received).trace_id().to_string(), TRACE, "{received}");
        assert!(received.ends_with(flags), "{received}");
    }
}

async fn call(address: SocketAddr, path: &str) -> Result<(), Status> {
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let mut grpc = tonic::client::Grpc::new(channel.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<DescribeRequest, ()>::default();
    let request = tonic::Request::new(DescribeRequest {});
    grpc.unary(request, path.parse().unwrap(), codec).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_caller_can_grow_the_metrics() {
    let mut process = Process::start(&[], &[]);
    let (grpc, admin) = process.addresses();
    call(grpc, "/tributary.feed.v1.ChangeFeed/Describe").await.unwrap();
    for i in 0..20 {
        for path in
            [format!("/guessed.v{i}.Service/Method"), format!("/tributary.feed.v1.ChangeFeed/Guess{i}")]
        {
            call(grpc, &path).await.unwrap_err();
        }
    }
    let mut stream = TcpStream::connect(admin).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let count = |label: &str| {
        let lines = text.lines().filter(|line| line.starts_with("rpc_server_call_duration_seconds_count"));
        let values = lines.filter(|line| line.contains(label)).map(|line| line.rsplit(' ').next().unwrap());
        values.map(|value| value.parse::<u64>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(count(r#"rpc_method="tributary.feed.v1.ChangeFeed/Describe""#), [1], "{text}");
    assert_eq!(count(r#"rpc_method="unknown""#), [40], "{text}");
    assert!(!text.to_lowercase().contains("guess"), "{text}");
}

/// Takes whatever is exported, and keeps its bytes.
fn collector(received: Arc<Mutex<Vec<(String, Bytes)>>>) -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let args = ServerArgs { data_dir: Some(directory.path().to_owned()), ..Default::default() };
    let mut server = Server::bind("collector", &args).unwrap();
    server.fallback_service(tower::service_fn(move |request: Request<Body>| {
        let received = received.clone();
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            received.lock().unwrap().push((path, body));
            // A message without fields: everything was taken.
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            let body = Full::new(Bytes::from_static(&[0; 5]))
                .with_trailers(async { Some(Ok::<_, Infallible>(trailers)) });
            let response =
                Response::builder().header("content-type", "application/grpc").body(Body::new(body));
            Ok::<_, Infallible>(response.unwrap())
        }
    }));
    (directory, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_metrics_leave_before_the_end_and_do_not_trace_themselves() {
    let received = Arc::<Mutex<Vec<(String, Bytes)>>>::default();
    let (_directory, server) = collector(received.clone());
    let endpoint = format!("http://{}", server.address());
    tokio::spawn(server.serve());
    // What is logged does not decide what is traced.
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("RUST_LOG", "error")];
    let mut process = Process::start(&[], &environment);
    let (grpc, _) = process.addresses();
    call(grpc, "/tributary.feed.v1.ChangeFeed/Describe").await.unwrap();
    call(grpc, "/grpc.health.v1.Health/Check").await.unwrap();
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());

    let received = received.lock().unwrap();
    let exports = |signal: &str| {
        let exports = received.iter().filter(|(path, _)| path.contains(signal));
        exports.map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect::<Vec<_>>()
    };
    let (traces, metrics) = (exports("TraceService"), exports("MetricsService"));
    assert_eq!((traces.len(), metrics.is_empty()), (1, false), "{}", process.stderr());
    assert!(traces[0].contains("tributary.feed.v1.ChangeFeed/Describe"));
    // Neither probes nor the exporter's own calls are of interest.
    assert!(!traces[0].contains("Health") && !traces[0].contains("Export"), "{traces:?}");
    assert!(metrics.last().unwrap().contains("rpc.server.call.duration"));
    assert!(metrics.last().unwrap().contains("puppet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_tell_the_trace() {
    let mut process = Process::start(&["--log-format", "json"], &[("RUST_LOG", "debug")]);
    let (grpc, _) = process.addresses();
    let mut client = ChangeFeedClient::connect(format!("http://{grpc}")).await.unwrap();
    let mut request = tell("");
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-00");
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    client.describe(request).await.unwrap();
    process.wait_for_log(&format!(r#""trace_id":"{TRACE}""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_logged_with_its_call_and_costs_nothing_else() {
    let mut process = Process::start(&[], &[]);
    let (grpc, _) = process.addresses();
    let mut client = ChangeFeedClient::connect(format!("http://{grpc}")).await.unwrap();
    let status = client.describe(tell("panic")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    client.describe(tell("")).await.unwrap();
    let log = process.stderr();
    let line = log.lines().find(|line| line.contains("ERROR")).unwrap();
    // What trace viewers are told is no part of it.
    let call = r#"call{method="tributary.feed.v1.ChangeFeed/Describe" trace_id="#;
    assert!(
        line.contains(call) && !line.contains("otel.") && line.contains("panic: as told location="),
        "{line}"
    );
    assert!(line.contains("puppet.rs"), "{line}");
}
