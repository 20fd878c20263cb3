//! Where time can stand still.

use tonic_types::StatusExt as _;
use tower::service_fn;

use super::*;
use crate::outbound::breaker::Breaker;

const A: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const B: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

/// Who calls A, where every call fails, and B, where those fail that are told to.
fn caller(b_fails: bool) -> Caller {
    let options = OutboundOptions { failures: 3, ..Default::default() };
    let names = Names::of(&[A, B]);
    let target = Arc::new(Target { service: "callee".to_owned(), uri: URI.parse().unwrap() });
    let addresses = Addresses::of(&target.uri, names.resolver());
    let make = {
        let (target, options) = (target.clone(), options.clone());
        move |address| {
            let breaker = Arc::new(Breaker::new(target.clone(), address, &options));
            let call = service_fn(move |_: Request<Body>| async move {
                if address == A || b_fails {
                    return Err(Status::from(Fault::new(Reason::Unavailable, "not now")));
                }
                // An empty message.
                let message = axum::body::Bytes::from_static(&[0; 5]);
                let body = Body::new(http_body_util::Full::new(message));
                Ok(Response::builder().header("grpc-status", "0").body(body).unwrap())
            });
            let endpoint = Endpoint::around(&target, address, breaker, call);
            endpoint.health().send_replace(Health::Serving);
            endpoint
        }
    };
    let endpoints = Endpoints::new(target.clone(), addresses, options.connect_timeout, make);
    let balancer = Balancer { endpoints: endpoints.clone() };
    let client = ChangeFeedClient::new(Outbound::new(target, &options, balancer));
    Caller { client, endpoints, attempts: AtomicUsize::new(0) }
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_goes_elsewhere() {
    for _ in 0..50 {
        let caller = caller(false);
        caller.ask().await.unwrap();
        assert!(caller.attempts.load(Ordering::SeqCst) <= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_circuits_are_open_the_first_to_close_is_told() {
    let caller = caller(true);
    let opened = async |count: usize| {
        loop {
            caller.call("").await.unwrap_err();
            let made = caller.endpoints.made();
            if made.iter().filter(|endpoint| endpoint.standing().refused).count() == count {
                break;
            }
        }
    };
    opened(1).await;
    tokio::time::advance(Duration::from_millis(150)).await;
    opened(2).await;
    let before = Instant::now();
    let status = caller.call("").await.unwrap_err();
    assert_eq!((status.code(), before.elapsed()), (Code::Unavailable, Duration::ZERO));
    let told = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    // Of 200 ms, 150 were over for the first.
    assert_eq!(told, Duration::from_millis(50));
}
