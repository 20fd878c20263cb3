//! The whole stack in front of a real service, without a connection, so that time can stand still: each
//! bound is exceeded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use http::Uri;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Status, service::Routes};
use tower::{Layer as _, ServiceExt as _};
use tributary_proto::feed::v1::change_feed_client::ChangeFeedClient;

use super::{
    Outbound, OutboundOptions, Target,
    balancer::{Balancer, Endpoints},
    breaker::Breaker,
    connect,
    endpoint::Endpoint,
};
use crate::{
    around::around,
    deadline,
    fault::Reason,
    inbound::positions::TellPositions,
    puppet::{Puppet, tell, tell_stream},
    resolve::{self, Addresses},
    trail,
};

fn outbound(puppet: &Puppet, options: &OutboundOptions) -> ChangeFeedClient<Outbound> {
    let uri = Uri::from_static("http://puppet.test");
    let target = Arc::new(Target { service: "puppet".to_owned(), uri });
    let addresses = Addresses::of(&Uri::from_static("http://127.0.0.1:1"), resolve::system());
    let make = {
        let (target, options, puppet) = (target.clone(), options.clone(), puppet.clone());
        move |address| {
            let service = around(TellPositions).layer(Routes::new(puppet.server()));
            let call = service.map_err(|never| match never {});
            let breaker = Arc::new(Breaker::new(target.clone(), address, &options));
            Endpoint::around(&target, address, breaker, call)
        }
    };
    let endpoints = Endpoints::new(target.clone(), addresses, options.connect_timeout, make);
    ChangeFeedClient::new(Outbound::new(target, options, Balancer { endpoints }))
}

fn options() -> OutboundOptions {
    OutboundOptions {
        failures: 3,
        min_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(4),
        ..Default::default()
    }
}

fn told(status: &Status) -> (Code, Option<Reason>) {
    (status.code(), Reason::of(status))
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_limit_gets_one() {
    let start = Instant::now();
    let status = outbound(&Puppet::new(), &options()).describe(tell("hang")).await.unwrap_err();
    assert_eq!(told(&status), (Code::DeadlineExceeded, Some(Reason::DeadlineExceeded)));
    assert!(status.message().starts_with("puppet at http://puppet.test/ did not answer"), "{status}");
    assert_eq!(start.elapsed().as_secs_f64().round(), 10.0);
}

#[tokio::test(start_paused = true)]
async fn the_callee_gets_what_is_left_of_the_callers_time() {
    let puppet = Puppet::new();
    let mut client = outbound(&puppet, &options());
    let deadline = Instant::now() + Duration::from_millis(1500);
    let call = deadline::scope(deadline, async {
        tokio::time::advance(Duration::from_millis(500)).await;
        client.describe(tell("header grpc-timeout")).await
    });
    assert_eq!(call.await.unwrap().into_inner().service, "995000u");
    // A limit of the call's own holds when it is shorter.
    let mut request = tell("header grpc-timeout");
    request.set_timeout(Duration::from_millis(300));
    let call = deadline::scope(deadline, client.describe(request));
    assert_eq!(call.await.unwrap().into_inner().service, "300000u");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_time_is_not_made() {
    let puppet = Puppet::new();
    let mut client = outbound(&puppet, &options());
    // 5 ms are kept for the way home, and 5 ms are the least to work with.
    for (left, made) in [(0, 0), (9, 0), (10, 1)] {
        let deadline = Instant::now() + Duration::from_millis(left);
        let result = deadline::scope(deadline, client.describe(tell(""))).await;
        assert_eq!((puppet.calls(), result.is_ok()), (made, made > 0), "{left} ms");
    }
    // That says nothing about the callee: the circuit is closed.
    for _ in 0..2 * options().failures {
        let status = deadline::scope(Instant::now(), client.describe(tell(""))).await.unwrap_err();
        assert_eq!(told(&status), (Code::DeadlineExceeded, Some(Reason::DeadlineExceeded)));
    }
    client.describe(tell("")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn streams_are_cut_at_the_deadline() {
    let mut client = outbound(&Puppet::new(), &options());
    let start = Instant::now();
    let mut request = tell_stream("ticks");
    request.set_timeout(Duration::from_secs(1));
    let mut stream = client.subscribe(request).await.unwrap().into_inner();
    let status = loop {
        if let Err(status) = stream.message().await {
            break status;
        }
    };
    assert_eq!(told(&status), (Code::DeadlineExceeded, Some(Reason::DeadlineExceeded)));
    assert_eq!(start.elapsed(), Duration::from_millis(999));
}

#[tokio::test]
async fn the_callees_positions_become_the_callers() {
    let mut client = outbound(&Puppet::new(), &options());
    let positions = trail::scope(async {
        trail::reached("own/e/1".parse().unwrap());
        client.describe(tell("reach puppet/e/7")).await.unwrap();
        client.describe(tell("fail 5")).await.unwrap_err();
        trail::current().to_string()
    });
    assert_eq!(positions.await, "own/e/1,puppet/e/9");
}

#[tokio::test(start_paused = true)]
async fn the_circuit_opens_after_failures_in_a_row() {
    let puppet = Puppet::new();
    let mut client = outbound(&puppet, &options());
    // A rejection is an answer, and an answer in between starts the count again.
    for what in ["fail 14", "fail 14", "fail 5", "fail 14", "fail 14", "", "fail 14", "fail 4"] {
        let _ = client.describe(tell(what)).await;
    }
    assert_eq!(puppet.calls(), 8);
    client.describe(tell("fail 14")).await.unwrap_err();
    let status = client.describe(tell("")).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unavailable, Some(Reason::Unavailable)));
    assert_eq!(puppet.calls(), 9);
}

async fn open(client: &mut ChangeFeedClient<Outbound>) {
    for _ in 0..options().failures {
        client.describe(tell("fail 14")).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_lets_one_probe_through() {
    let puppet = Puppet::new();
    let mut client = outbound(&puppet, &options());
    open(&mut client).await;
    let before = puppet.calls();
    tokio::time::sleep(options().min_backoff).await;
    let calls = (0..64).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.describe(tell("gate")).await })
    });
    let calls: Vec<_> = calls.collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(puppet.calls() - before, 1);
    puppet.gate.add_permits(1);
    let answered = join_all(calls).await.into_iter().filter(|call| call.as_ref().unwrap().is_ok()).count();
    assert_eq!(answered, 1);
    // Its answer closed the circuit.
    let calls = join_all((0..64).map(|_| {
        let mut client = client.clone();
        async move { client.describe(tell("")).await }
    }));
    assert!(calls.await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn each_failed_probe_doubles_the_pause() {
    let puppet = Puppet::new();
    let mut client = outbound(&puppet, &options());
    open(&mut client).await;
    for pause in [1, 2, 4, 4] {
        tokio::time::advance(Duration::from_millis(pause * 1000 - 1)).await;
        let before = puppet.calls();
        client.describe(tell("")).await.unwrap_err();
        assert_eq!(puppet.calls(), before, "{pause} s");
        tokio::time::advance(Duration::from_millis(1)).await;
        client.describe(tell("fail 14")).await.unwrap_err();
        assert_eq!(puppet.calls(), before + 1, "{pause} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_leaves_its_place() {
    let puppet = Puppet::new();
    let mut client = outbound(&puppet, &options());
    open(&mut client).await;
    tokio::time::advance(options().min_backoff).await;
    tokio::time::timeout(Duration::from_millis(10), client.describe(tell("hang"))).await.unwrap_err();
    client.describe(tell("")).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let outbound = connect("nobody", uri.parse().unwrap(), OutboundOptions::default());
    let status = ChangeFeedClient::new(outbound).describe(tell("")).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unavailable, Some(Reason::Unavailable)));
    assert_eq!(status.message(), format!("nobody at {uri} cannot be reached"));
}

/// An address that swallows everything: the listener's queue is full and nobody accepts.
#[tokio::test]
async fn connecting_is_bounded() {
    let listener = tokio::net::TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        queue.push(stream);
    }
    let options = OutboundOptions { connect_timeout: Duration::from_millis(300), ..Default::default() };
    let start = std::time::Instant::now();
    let outbound = connect("silent", format!("http://{address}").parse().unwrap(), options);
    let status = ChangeFeedClient::new(outbound).describe(tell("")).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unavailable, Some(Reason::Unavailable)));
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Also when the first part of the answer is there already: what broke is the connection, not the service.
#[tokio::test]
async fn a_connection_that_breaks_under_an_answer_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let behind = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(Puppet::new().server());
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", proxy.local_addr().unwrap());
    let between = tokio::spawn(async move {
        let (mut near, _) = proxy.accept().await.unwrap();
        let mut far = TcpStream::connect(behind).await.unwrap();
        tokio::io::copy_bidirectional(&mut near, &mut far).await.unwrap();
    });
    let outbound = connect("puppet", uri.parse().unwrap(), OutboundOptions::default());
    let mut frames =
        ChangeFeedClient::new(outbound).subscribe(tell_stream("silent")).await.unwrap().into_inner();
    between.abort();
    let status = frames.message().await.unwrap_err();
    assert_eq!(told(&status), (Code::Unavailable, Some(Reason::Unavailable)));
    assert_eq!(status.message(), format!("puppet at {uri} cannot be reached"));
}

mod retries {
    use tonic::Response;
    use tower::retry::budget::TpsBudget;

    use super::{super::retry::within, *};
    use crate::fault::Fault;

    /// Fails as often as told, then answers.
    async fn call(
        budget: &TpsBudget,
        failures: usize,
        fault: impl Fn() -> Fault,
    ) -> (usize, Result<Response<()>, Status>) {
        let calls = AtomicUsize::new(0);
        let result = within(budget, || async {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            if call < failures { Err(fault().into()) } else { Ok(Response::new(())) }
        });
        let result = result.await;
        (calls.into_inner(), result)
    }

    fn unavailable() -> Fault {
        Fault::new(Reason::Unavailable, "not now")
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_repeated() {
        let budget = TpsBudget::default();
        assert!(matches!(call(&budget, 2, unavailable).await, (3, Ok(_))));
        assert!(matches!(call(&budget, 99, unavailable).await, (5, Err(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_not_repeated() {
        let budget = TpsBudget::default();
        for reason in [Reason::InvalidRequest, Reason::Internal, Reason::OutcomeUnknown, Reason::Overloaded] {
            assert!(
                matches!(call(&budget, 99, || Fault::new(reason, "no")).await, (1, Err(_))),
                "{reason:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_callee_that_says_when_is_heard() {
        let start = Instant::now();
        let overloaded = || Fault::new(Reason::Overloaded, "later").retry_after(Duration::from_secs(3));
        assert!(matches!(call(&TpsBudget::default(), 1, overloaded).await, (2, Ok(_))));
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_repeated_past_the_deadline() {
        let deadline = Instant::now() + Duration::from_secs(2);
        let overloaded = || Fault::new(Reason::Overloaded, "later").retry_after(Duration::from_secs(3));
        let result = deadline::scope(deadline, call(&TpsBudget::default(), 99, overloaded)).await;
        assert!(matches!(result, (1, Err(_))));
        assert!(Instant::now() < deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_bounds_all_calls_together() {
        // One per ten calls, and nothing for free.
        let budget = TpsBudget::new(Duration::from_secs(60), 0, 0.1);
        let mut made = 0;
        for _ in 0..100 {
            made += call(&budget, 99, unavailable).await.0;
        }
        assert!((105..=110).contains(&made), "{made}");
    }
}
