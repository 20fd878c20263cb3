use futures::FutureExt as _;
use http::Uri;
use tokio::time::{Instant, advance, sleep};

use super::{names::Names, *};

const A: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 80);
const B: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 80);

fn of(names: &Names) -> Addresses {
    Addresses::of(&Uri::from_static("http://any.test"), names.resolver())
}

/// Until `names` were looked up so often.
async fn lookups(names: &Names, count: usize) {
    while names.lookups() < count {
        sleep(Duration::from_millis(1)).await;
    }
    // The answer is taken over in the same breath.
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_again_and_again() {
    let names = Names::of(&[B, A, B]);
    let addresses = of(&names);
    assert_eq!(*addresses.known().await.unwrap(), [A, B]);
    let gone = addresses.gone(A);
    let start = Instant::now();
    names.stand_for(&[B]);
    gone.await;
    assert!(start.elapsed() <= INTERVAL, "{:?}", start.elapsed());
    assert_eq!(*addresses.latest(), [B]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_at_once_when_somebody_asks() {
    let names = Names::of(&[A]);
    let addresses = of(&names);
    addresses.known().await.unwrap();
    advance(INTERVAL / 2).await;
    let start = Instant::now();
    // However many.
    for _ in 0..100 {
        addresses.look_again();
    }
    lookups(&names, 2).await;
    assert!(start.elapsed() <= Duration::from_millis(1));
    sleep(LEAST_INTERVAL * 3).await;
    assert_eq!(names.lookups(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_fails_or_finds_nothing_changes_nothing() {
    let names = Names::of(&[A, B]);
    let addresses = of(&names);
    let known = addresses.known().await.unwrap();
    names.fail();
    lookups(&names, 4).await;
    names.stand_for(&[]);
    lookups(&names, 8).await;
    assert!(Arc::ptr_eq(&known, &addresses.latest()));
    assert!(addresses.gone(A).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn who_was_never_found_is_looked_up_when_asked_for() {
    let names = Names::of(&[]);
    let addresses = of(&names);
    assert_eq!(addresses.known().await.unwrap_err().to_string(), "its name has no address");
    names.fail();
    let text = addresses.known().await.unwrap_err().to_string();
    assert!(text.starts_with("its name cannot be looked up"), "{text}");
    names.stand_for(&[A]);
    assert_eq!(*addresses.known().await.unwrap(), [A]);
}

#[tokio::test(start_paused = true)]
async fn an_ip_address_is_not_looked_up() {
    let names = Names::of(&[A]);
    for (uri, address) in [
        ("http://127.0.0.1:50051", "127.0.0.1:50051"),
        ("http://10.1.2.3/", "10.1.2.3:80"),
        ("https://[::1]/", "[::1]:443"),
    ] {
        let addresses = Addresses::of(&Uri::from_static(uri), names.resolver());
        assert_eq!(*addresses.known().await.unwrap(), [address.parse().unwrap()]);
    }
    sleep(INTERVAL * 3).await;
    assert_eq!(names.lookups(), 0);
    assert!(Addresses::of(&Uri::from_static("/no/host"), names.resolver()).known().await.is_err());
}

#[tokio::test]
async fn the_system_knows_this_host() {
    let addresses = Addresses::of(&Uri::from_static("http://localhost:7"), system());
    let known = addresses.known().await.unwrap();
    assert!(known.iter().all(|address| address.ip().is_loopback() && address.port() == 7), "{known:?}");
}

#[tokio::test(start_paused = true)]
async fn look_ups_end_with_the_last_who_needs_them() {
    let names = Names::of(&[A]);
    let addresses = of(&names);
    addresses.known().await.unwrap();
    drop(addresses.clone());
    lookups(&names, 3).await;
    drop(addresses);
    sleep(INTERVAL * 3).await;
    assert_eq!(names.lookups(), 3);
}
