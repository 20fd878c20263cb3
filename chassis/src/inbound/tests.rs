//! The whole stack around a real service, without a connection, so that time can stand still: each bound
//! is exceeded.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tonic::{Code, Status, service::Routes};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;
use tower::Layer as _;
use tributary_proto::feed::v1::{Position, change_feed_client::ChangeFeedClient};

use super::{Inbound, Method, drain::Drain};
use crate::{
    fault::Reason,
    position::POSITION,
    puppet::{self, Puppet, tell, tell_stream},
    server::MAX_MESSAGE_BYTES,
};

const LIMIT: Duration = Duration::from_secs(10);

fn inbound() -> Inbound {
    Inbound {
        max_in_flight: 3,
        default_deadline: LIMIT,
        drain: Drain::default(),
        methods: Default::default(),
    }
}

fn client(puppet: &Puppet, inbound: &Inbound) -> ChangeFeedClient<impl Method> {
    puppet::client(inbound.layer().layer(Routes::new(puppet.server())))
}

fn told(status: &Status) -> (Code, Option<Reason>) {
    (status.code(), Reason::of(status))
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_timeout_ends_at_the_limit() {
    let start = Instant::now();
    let status = client(&Puppet::new(), &inbound()).describe(tell("hang")).await.unwrap_err();
    assert_eq!(told(&status), (Code::DeadlineExceeded, Some(Reason::DeadlineExceeded)));
    assert_eq!(start.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn the_callers_timeout_holds_when_it_is_shorter() {
    for (asked, expected) in [(2, 2), (60, 10)] {
        let start = Instant::now();
        let mut request = tell("hang");
        request.set_timeout(Duration::from_secs(asked));
        let status = client(&Puppet::new(), &inbound()).describe(request).await.unwrap_err();
        assert_eq!(told(&status), (Code::DeadlineExceeded, Some(Reason::DeadlineExceeded)));
        assert_eq!(start.elapsed().as_secs_f64().round(), f64::from(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn the_method_knows_how_much_time_is_left() {
    let mut request = tell("remaining");
    request.set_timeout(Duration::from_secs(2));
    let reply = client(&Puppet::new(), &inbound()).describe(request).await.unwrap();
    assert_eq!(reply.into_inner().service, "1999");
}

#[tokio::test(start_paused = true)]
async fn streams_are_cut_at_the_callers_timeout() {
    for (what, frames) in [("silent", 0), ("ticks", 99)] {
        let start = Instant::now();
        let mut request = tell_stream(what);
        request.set_timeout(Duration::from_secs(1));
        let reply = client(&Puppet::new(), &inbound()).subscribe(request).await.unwrap();
        let mut stream = reply.into_inner();
        for _ in 0..frames {
            stream.message().await.unwrap();
        }
        let status = stream.message().await.unwrap_err();
        assert_eq!(told(&status), (Code::DeadlineExceeded, Some(Reason::DeadlineExceeded)));
        assert_eq!(start.elapsed(), Duration::from_millis(999));
    }
}

/// In real time, since it never stands still here.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_always_has_more_is_cut_too() {
    let mut request = tell_stream("busy");
    request.set_timeout(Duration::from_millis(100));
    let mut stream = client(&Puppet::new(), &inbound()).subscribe(request).await.unwrap().into_inner();
    let status = loop {
        if let Err(status) = stream.message().await {
            break status;
        }
    };
    assert_eq!(told(&status), (Code::DeadlineExceeded, Some(Reason::DeadlineExceeded)));
}

#[tokio::test(start_paused = true)]
async fn streams_without_a_timeout_go_on_past_the_limit() {
    let reply = client(&Puppet::new(), &inbound()).subscribe(tell_stream("ticks")).await.unwrap();
    let mut stream = reply.into_inner();
    let start = Instant::now();
    while start.elapsed() < 2 * LIMIT {
        stream.message().await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_ends_ends_as_it_did() {
    let mut request = tell_stream("three");
    request.set_timeout(Duration::from_secs(60));
    let mut stream = client(&Puppet::new(), &inbound()).subscribe(request).await.unwrap().into_inner();
    for _ in 0..3 {
        assert!(stream.message().await.unwrap().is_some());
    }
    assert_eq!(stream.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_malformed_timeout_is_refused() {
    let mut request = tell("");
    request.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    let status = client(&Puppet::new(), &inbound()).describe(request).await.unwrap_err();
    assert_eq!(told(&status), (Code::InvalidArgument, Some(Reason::InvalidRequest)));
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_are_refused_at_once() {
    let (puppet, inbound) = (Puppet::new(), inbound());
    let client = client(&puppet, &inbound);
    let calls = (0..5).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.describe(tell("gate")).await })
    });
    let calls: Vec<_> = calls.collect();
    // Time moves only once everybody waits: three in the method, nobody for admission.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(puppet.calls(), inbound.max_in_flight);
    puppet.gate.add_permits(5);
    let results = join_all(calls).await.into_iter().map(Result::unwrap);
    let (answered, refused): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    assert_eq!((answered.len(), refused.len()), (3, 2));
    for status in refused.into_iter().filter_map(Result::err) {
        assert_eq!(told(&status), (Code::ResourceExhausted, Some(Reason::Overloaded)));
        assert!(status.get_error_details().retry_info().is_some());
    }
    // Their places are free again.
    client.clone().describe(tell("")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ran_out_of_time_gives_its_place_back() {
    let (puppet, inbound) = (Puppet::new(), inbound());
    let mut client = client(&puppet, &inbound);
    for _ in 0..2 * inbound.max_in_flight {
        client.describe(tell("hang")).await.unwrap_err();
    }
    client.describe(tell("")).await.unwrap();
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let puppet = Puppet::new();
    let mut client = client(&puppet, &inbound());
    let status = client.describe(tell("panic")).await.unwrap_err();
    assert_eq!(told(&status), (Code::Internal, Some(Reason::Internal)));
    assert!(!status.message().contains("as told"));
    let mut stream = client.subscribe(tell_stream("panic")).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    assert_eq!(told(&stream.message().await.unwrap_err()), (Code::Internal, Some(Reason::Internal)));
    client.describe(tell("")).await.unwrap();
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_refused() {
    // A field of that many bytes has a tag and a length of three bytes around it.
    let fits = MAX_MESSAGE_BYTES - 4;
    for (consumer, expected) in [(fits, None), (fits + 1, Some(Reason::LimitExceeded))] {
        let mut request = tell_stream("three");
        request.get_mut().consumer = "x".repeat(consumer);
        let result = client(&Puppet::new(), &inbound()).subscribe(request).await;
        assert_eq!(result.as_ref().err().and_then(Reason::of), expected);
        if let Err(status) = result {
            assert_eq!(status.code(), Code::ResourceExhausted);
            let text = "the request is too large: found 1048577 bytes, the limit is: 1048576 bytes";
            assert_eq!(status.message(), text);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let service = inbound().layer().layer(Routes::new(Puppet::new().server()));
    let mut grpc = tonic::client::Grpc::new(service);
    grpc.ready().await.unwrap();
    // Fields 1 and 2 are messages in the request, and texts in this.
    let garbage = Position { service: "x".to_owned(), epoch: "a".to_owned(), sequence: 1, digest: 1 };
    let codec = ProstCodec::<Position, ()>::default();
    let path = "/tributary.feed.v1.ChangeFeed/Subscribe".parse().unwrap();
    let status = grpc.unary(tonic::Request::new(garbage), path, codec).await.unwrap_err();
    assert_eq!(told(&status), (Code::InvalidArgument, Some(Reason::InvalidRequest)));
    assert!(status.message().starts_with("the request is malformed: "), "{status}");
}

#[tokio::test]
async fn replies_carry_what_they_stand_on() {
    let mut client = client(&Puppet::new(), &inbound());
    let reply = client.describe(tell("reach puppet/e/7")).await.unwrap();
    assert_eq!(reply.metadata().get(POSITION).unwrap(), "puppet/e/7");
    let reply = client.describe(tell("")).await.unwrap();
    assert_eq!(reply.metadata().get(POSITION), None);
    let status = client.describe(tell("fail 5")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.metadata().get(POSITION).unwrap(), "puppet/e/9");
}

#[tokio::test(start_paused = true)]
async fn at_last_call_everything_ends_with_a_status() {
    let inbound = inbound();
    let client = client(&Puppet::new(), &inbound);
    let unary = tokio::spawn({
        let mut client = client.clone();
        async move { client.describe(tell("hang")).await.map(drop) }
    });
    let mut stream = client.clone().subscribe(tell_stream("busy")).await.unwrap().into_inner();
    inbound.drain.shutdown.cancel();
    // Streams of services are told by their token; here they go on until the last call.
    stream.message().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    inbound.drain.last_call.cancel();
    let status = loop {
        if let Err(status) = stream.message().await {
            break status;
        }
    };
    assert_eq!(told(&status), (Code::Unavailable, Some(Reason::Draining)));
    let status = unary.await.unwrap().unwrap_err();
    assert_eq!(told(&status), (Code::Unavailable, Some(Reason::Draining)));
}
