//! A change feed at a port of its own.

use tonic::Streaming;
use tributary_proto::feed::v1::{
    AcknowledgeRequest, DescribeRequest, SnapshotStart, SubscribeRequest, SubscribeResponse,
    subscribe_request::Start,
};

use super::*;
use crate::{
    feed::{FeedOptions, memory, stored},
    outbox::Call,
};

fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// A server with a store that publishes at `listen`, and what must be kept.
async fn publishing(listen: Option<SocketAddr>) -> (TempDir, Server) {
    let (directory, mut server) = bind(|args| args.drain_timeout = Duration::from_secs(5));
    let outbox = stored::open(&server.data_dir().join("store")).await;
    let call = Call::new("bank.v1.Bank/Put", "", &()).unwrap();
    let put = stored::Put { key: "a".to_owned(), text: Some("1".to_owned()) };
    outbox.execute(call, put, |_| ()).await.unwrap();
    let options = FeedOptions { listen, ..FeedOptions::default() };
    server.publish(&outbox, memory::descriptors(), options);
    (directory, server)
}

fn any() -> Option<SocketAddr> {
    Some("127.0.0.1:0".parse().unwrap())
}

async fn listed(channel: &Channel) -> Vec<String> {
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let mut replies =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    match replies.next().await.unwrap().unwrap().message_response.unwrap() {
        v1::server_reflection_response::MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_feed_at_a_port_of_its_own_is_there_alone() {
    let (directory, mut server) = publishing(any()).await;
    let answer = async |_: http::Request<Body>| Ok(Status::data_loss("reached").into_http::<Body>());
    server.add_dynamic_service("any.v1.Command", tower::service_fn(answer));
    let (grpc, feed) = (channel(server.address()), channel(server.feed_address().unwrap()));
    let expected = format!(
        "grpc {}\nadmin {}\nfeed {}\n",
        server.address(),
        server.admin_address(),
        server.feed_address().unwrap()
    );
    assert!(TcpStream::connect(server.feed_address().unwrap()).await.is_err(), "before it serves");
    let file = directory.path().join("data/address");
    let shutdown = server.shutdown();
    let running = tokio::spawn(server.serve());
    assert_eq!(eventually("the file", async || fs::read_to_string(&file).ok()).await, expected);

    // All of the feed, with health and reflection, and nothing else.
    let mut client = ChangeFeedClient::new(feed.clone());
    let described = client.describe(DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!((described.service.as_str(), described.head.clone().unwrap().sequence), ("bank", 1));
    let mut stream = subscribe(&mut client).await;
    stream.message().await.unwrap().unwrap();
    let request = AcknowledgeRequest { consumer: "test".to_owned(), through: described.head };
    client.acknowledge(request).await.unwrap();
    drop(stream);
    for service in ["", FEED] {
        assert_eq!(health(&feed, service).await, Some(ServingStatus::Serving), "{service}");
    }
    assert!(listed(&feed).await.contains(&FEED.to_owned()));
    assert_eq!(health(&feed, "any.v1.Command").await, None);
    assert_eq!(call(&feed, "/any.v1.Command/Any").await.code(), Code::Unimplemented);

    // Where it is not, that is said, whatever is called.
    let mut client = ChangeFeedClient::new(grpc.clone());
    let elsewhere = |status: Status| {
        let told = (status.code(), Reason::of(&status), status.message().to_owned());
        let text = "the change feed is served at another port".to_owned();
        assert_eq!(told, (Code::Unimplemented, Some(Reason::Unimplemented), text));
    };
    elsewhere(client.describe(DescribeRequest {}).await.unwrap_err());
    elsewhere(client.subscribe(SubscribeRequest::default()).await.unwrap_err());
    elsewhere(client.acknowledge(AcknowledgeRequest::default()).await.unwrap_err());
    assert_eq!(call(&grpc, "/any.v1.Command/Any").await.code(), Code::DataLoss);
    assert!(!listed(&grpc).await.contains(&FEED.to_owned()));
    assert_eq!((health(&grpc, "").await, health(&grpc, FEED).await), (Some(ServingStatus::Serving), None));
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

async fn subscribe(client: &mut ChangeFeedClient<Channel>) -> Streaming<SubscribeResponse> {
    let request = SubscribeRequest {
        start: Some(Start::Snapshot(SnapshotStart {})),
        consumer: "test".to_owned(),
        ..SubscribeRequest::default()
    };
    client.subscribe(request).await.unwrap().into_inner()
}

async fn call(channel: &Channel, path: &'static str) -> Status {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    grpc.unary(tonic::Request::new(()), path.parse().unwrap(), codec).await.unwrap_err()
}

#[tokio::test]
async fn a_feed_at_a_port_of_its_own_leaves_with_the_server() {
    let (_directory, server) = publishing(any()).await;
    let (address, leaving) = (server.feed_address().unwrap(), server.leaving());
    let running = tokio::spawn(server.serve());
    let feed = channel(address);
    eventually("serving", async || health(&feed, FEED).await).await;
    let request = HealthCheckRequest { service: FEED.to_owned() };
    let mut watch = HealthClient::new(feed.clone()).watch(request).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut stream = subscribe(&mut ChangeFeedClient::new(feed.clone())).await;
    stream.message().await.unwrap().unwrap();
    leaving.cancel();
    let status = loop {
        if let Err(status) = stream.message().await {
            break status;
        }
    };
    assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::Draining)));
    running.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_feed_without_a_port_is_at_that_of_the_calls() {
    let (_directory, server) = publishing(None).await;
    assert_eq!(server.feed_address(), None);
    let (grpc, shutdown) = (channel(server.address()), server.shutdown());
    let running = tokio::spawn(server.serve());
    eventually("serving", async || health(&grpc, FEED).await).await;
    ChangeFeedClient::new(grpc.clone()).describe(DescribeRequest {}).await.unwrap();
    assert!(listed(&grpc).await.contains(&FEED.to_owned()));
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_of_the_feed_that_is_taken_is_told_with_its_holder() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let (_directory, server) = publishing(Some(address)).await;
    let process = crate::occupant::Process::current();
    let error = server.serve().await.unwrap_err();
    assert_eq!(error.to_string(), format!("address {address} is in use by {process}"));
}

/// Who crowds one port does not keep others from the other.
#[tokio::test]
async fn each_port_counts_its_own_connections() {
    let (_directory, mut server) = publishing(any()).await;
    server.grpc.limits.connections = 1;
    let (grpc, feed) = (channel(server.address()), channel(server.feed_address().unwrap()));
    let (second, shutdown) = (channel(server.address()), server.shutdown());
    let running = tokio::spawn(server.serve());
    eventually("serving", async || health(&grpc, "").await).await;
    let refused = tokio::time::timeout(Duration::from_millis(200), health(&second, ""));
    assert!(refused.await.is_err(), "a second connection was accepted");
    assert_eq!(health(&feed, "").await, Some(ServingStatus::Serving));
    let limits = [Limits::of_feed(1), Limits::of_feed(64), Limits::of_feed(1_000)].map(|l| l.connections);
    assert_eq!(limits, [4, 256, 512]);
    drop(second);
    shutdown.cancel();
    running.await.unwrap().unwrap();
}
