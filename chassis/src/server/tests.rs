//! Whole servers on free ports, over real connections.

mod admin;
mod feed_port;
mod leaving;

use std::{
    fs,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use futures::StreamExt as _;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};
use tributary_proto::feed::v1::change_feed_client::ChangeFeedClient;

use super::*;
use crate::puppet::{Puppet, tell, tell_stream};

const FEED: &str = "tributary.feed.v1.ChangeFeed";

/// The settings of HTTP/2 with which a client begins: none.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A server of a puppet that has not begun to serve.
fn bind(change: impl FnOnce(&mut ServerArgs)) -> (TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let mut args = ServerArgs { data_dir: Some(directory.path().join("data")), ..Default::default() };
    change(&mut args);
    (directory, Server::bind("puppet", &args).unwrap())
}

fn serve(server: Server) -> (Channel, CancellationToken, JoinHandle<Result<(), StartError>>) {
    serve_puppet(server, &Puppet::new())
}

fn serve_puppet(
    mut server: Server,
    puppet: &Puppet,
) -> (Channel, CancellationToken, JoinHandle<Result<(), StartError>>) {
    server.add_service(puppet.server());
    let channel = Channel::from_shared(format!("http://{}", server.address())).unwrap().connect_lazy();
    let shutdown = server.shutdown();
    (channel, shutdown, tokio::spawn(server.serve()))
}

/// Waits until `check` answers, at most ten seconds.
async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn health(channel: &Channel, service: &str) -> Option<ServingStatus> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let reply = HealthClient::new(channel.clone()).check(request).await.ok()?;
    Some(reply.into_inner().status())
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn health_follows_the_readiness_handles() {
    let (_directory, server) = bind(|_| {});
    let (admin, handle) = (server.admin_address(), server.ready_handle());
    assert!(get(admin, "/live").await.starts_with("HTTP/1.1 200"));
    assert!(get(admin, "/ready").await.starts_with("HTTP/1.1 503"));
    let (channel, shutdown, running) = serve(server);
    for service in ["", FEED, "grpc.health.v1.Health"] {
        let status = eventually("health", async || health(&channel, service).await).await;
        assert_eq!(status, ServingStatus::NotServing, "{service}");
    }
    let request = HealthCheckRequest { service: FEED.to_owned() };
    let mut watch = HealthClient::new(channel.clone()).watch(request).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop(handle);
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    for service in ["", FEED] {
        assert_eq!(health(&channel, service).await, Some(ServingStatus::Serving), "{service}");
    }
    assert!(get(admin, "/ready").await.starts_with("HTTP/1.1 200"));
    // A watch would last for ever; it does not hold up the drain.
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_port_refuses_until_it_serves() {
    let (_directory, server) = bind(|_| {});
    assert!(TcpStream::connect(server.address()).await.is_err());
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_address_file_tells_the_real_ports() {
    let (directory, server) = bind(|_| {});
    let expected = format!("grpc {}\nadmin {}\n", server.address(), server.admin_address());
    let file = directory.path().join("data/address");
    let (_channel, shutdown, running) = serve(server);
    let text = eventually("the address file", async || fs::read_to_string(&file).ok()).await;
    assert_eq!(text, expected);
    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert!(!file.exists());
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_holder() {
    let (_directory, server) = bind(|_| {});
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let args = ServerArgs {
        listen: address,
        data_dir: Some(directory.path().to_owned()),
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..Default::default()
    };
    let error = Server::bind("second", &args).unwrap_err();
    let process = crate::occupant::Process::current();
    assert_eq!(error.to_string(), format!("address {address} is in use by {process}"));
    let args = ServerArgs { listen: server.address(), admin_listen: Some(address), ..args };
    let error = Server::bind("third", &args).unwrap_err();
    assert!(error.to_string().contains("is in use by"), "{error}");
}

#[tokio::test]
async fn a_call_that_has_begun_may_end() {
    let (_directory, server) = bind(|_| {});
    let (address, puppet) = (server.address(), Puppet::new());
    let (channel, shutdown, running) = serve_puppet(server, &puppet);
    let call = tokio::spawn(async move { ChangeFeedClient::new(channel).describe(tell("gate")).await });
    eventually("the call", async || (puppet.calls() == 1).then_some(())).await;
    shutdown.cancel();
    eventually("refusal of others", async || TcpStream::connect(address).await.err()).await;
    puppet.gate.add_permits(1);
    call.await.unwrap().unwrap();
    running.await.unwrap().unwrap();
}

/// tonic's own clock runs beside ours and would call the same thing a cancellation. A client of tonic
/// would hide that behind a clock of its own, so that this one has none.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_time_is_never_a_cancellation() {
    let (_directory, server) = bind(|_| {});
    let address = server.address();
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let executor = TokioExecutor::new();
    let (client, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let calls = (0..100).map(|i| {
        let mut client = client.clone();
        let request = Request::post(format!("http://{address}/{FEED}/Describe"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("puppet", "hang")
            .header("grpc-timeout", format!("{}m", 1 + i % 50))
            .body(Full::new(Bytes::from_static(&[0; 5])));
        async move { client.send_request(request.unwrap()).await.unwrap().headers()["grpc-status"].clone() }
    });
    let statuses = futures::future::join_all(calls).await;
    assert!(statuses.iter().all(|status| status == "4"), "{statuses:?}");
    drop(client);
    connection.abort();
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_end_and_streams_are_ended_within_the_drain_timeout() {
    let (_directory, server) = bind(|args| args.drain_timeout = Duration::from_millis(300));
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    let mut stream =
        ChangeFeedClient::new(channel).subscribe(tell_stream("ticks")).await.unwrap().into_inner();
    stream.message().await.unwrap();
    shutdown.cancel();
    let start = Instant::now();
    let status = loop {
        if let Err(status) = stream.message().await {
            break status;
        }
    };
    assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::Draining)));
    assert!(start.elapsed() >= Duration::from_millis(250));
    running.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(3));
}

/// A peer that neither reads nor closes must not keep the server.
#[tokio::test]
async fn the_end_is_bounded_even_when_the_peer_hangs() {
    let (_directory, server) = bind(|args| args.drain_timeout = Duration::from_millis(200));
    let address = server.address();
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(PREFACE).await.unwrap();
    let mut stream =
        ChangeFeedClient::new(channel).subscribe(tell_stream("busy")).await.unwrap().into_inner();
    stream.message().await.unwrap();
    shutdown.cancel();
    // The busy stream is not read any more, its connection is stuck.
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_failure_stops_the_server() {
    let (_directory, mut server) = bind(|_| {});
    server.fail_on(async { StartError::message("the disk is gone") });
    let (_channel, _shutdown, running) = serve(server);
    assert_eq!(running.await.unwrap().unwrap_err().to_string(), "the disk is gone");
}

#[tokio::test]
async fn a_service_that_is_added_twice_is_refused() {
    for name in [FEED, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        let (_directory, mut server) = bind(|_| {});
        let answer = async |_: http::Request<Body>| Ok(tonic::Status::ok("").into_http::<Body>());
        server.add_dynamic_service(name, tower::service_fn(answer));
        let (_channel, _shutdown, running) = serve(server);
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), format!("service {name} is added twice"));
    }
}

#[tokio::test]
async fn unknown_methods_are_unimplemented_and_others_can_be_added() {
    let (_directory, mut server) = bind(|_| {});
    let answer = tower::service_fn(async |_: http::Request<Body>| {
        Ok::<_, Infallible>(tonic::Status::data_loss("dynamic").into_http::<Body>())
    });
    server.add_dynamic_service("any.v1.Dynamic", answer);
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "any.v1.Dynamic").await).await;
    for (path, code) in [
        ("/any.v1.Dynamic/Any", Code::DataLoss),
        ("/any.v1.Other/Any", Code::Unimplemented),
        ("/tributary.feed.v1.ChangeFeed/Any", Code::Unimplemented),
    ] {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let status = grpc.unary(tonic::Request::new(()), path.parse().unwrap(), codec).await.unwrap_err();
        assert_eq!(status.code(), code, "{path}");
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn reflection_lists_what_is_served_in_both_versions() {
    let (_directory, server) = bind(|_| {});
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        FEED,
    ];

    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let ask = |request| v1::ServerReflectionRequest { message_request: Some(request), ..Default::default() };
    let requests = [
        ask(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
        ask(v1::server_reflection_request::MessageRequest::FileContainingSymbol(FEED.to_owned())),
    ];
    let replies = client.server_reflection_info(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let replies: Vec<_> =
        replies.take(2).map(|reply| reply.unwrap().message_response.unwrap()).collect().await;
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = &replies[0] else {
        panic!("{replies:?}")
    };
    let mut names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    assert!(matches!(replies[1], v1::server_reflection_response::MessageResponse::FileDescriptorResponse(_)));

    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let mut replies =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let reply = replies.next().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(list.service.len(), expected.len());
    drop(replies);
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_given_up() {
    let (_directory, mut server) = bind(|_| {});
    server.grpc.limits.keepalive_interval = Duration::from_millis(50);
    server.grpc.limits.keepalive_timeout = Duration::from_millis(50);
    let address = server.address();
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(PREFACE).await.unwrap();
    let mut received = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), peer.read_to_end(&mut received));
    assert!(closed.await.is_ok(), "still open");
    // A client that answers is not.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(health(&channel, "").await, Some(ServingStatus::Serving));
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_are_bounded() {
    let (_directory, mut server) = bind(|_| {});
    server.grpc.limits.connections = 2;
    let uri = format!("http://{}", server.address());
    let (first, shutdown, running) = serve(server);
    let connect = || Channel::from_shared(uri.clone()).unwrap().connect_lazy();
    let (second, third) = (connect(), connect());
    for channel in [&first, &second] {
        eventually("an answer", async || health(channel, "").await).await;
    }
    let refused = tokio::time::timeout(Duration::from_millis(200), health(&third, ""));
    assert!(refused.await.is_err(), "a third connection was accepted");
    drop(first);
    eventually("a free place", async || health(&third, "").await).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn streams_of_a_connection_are_bounded() {
    let (_directory, mut server) = bind(|_| {});
    server.grpc.limits.streams = 2;
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    let subscribe = async || {
        let mut client = ChangeFeedClient::new(channel.clone());
        tokio::time::timeout(Duration::from_millis(200), client.subscribe(tell_stream("silent"))).await
    };
    let first = subscribe().await.unwrap().unwrap();
    let second = subscribe().await.unwrap().unwrap();
    assert!(subscribe().await.is_err(), "a third stream was let in");
    drop(first);
    eventually("a free place", async || subscribe().await.ok()).await.unwrap();
    drop(second);
    shutdown.cancel();
    running.await.unwrap().unwrap();
}
