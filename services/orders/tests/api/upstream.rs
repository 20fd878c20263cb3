//! A service that orders needs is not there.

use tributary_chassis::ServerArgs;

use super::*;

/// Longest time that an order may take to fail when a service is down.
const QUICKLY: Duration = Duration::from_secs(3);

#[tokio::test]
async fn without_a_service_that_is_asked_no_order_comes_about() {
    let shop = Shop::start().await;
    let repeated = PlaceOrderRequest { request_id: "r-1".to_owned(), ..place("o-1") };
    let placed = shop.place(repeated.clone()).await.unwrap();
    let Shop { running: [customers, catalog, _orders], orders, dirs: _dirs, partners: _partners, .. } = shop;
    for (name, service) in [("customers", customers), ("catalog", catalog)] {
        service.stop().await;
        let begin = Instant::now();
        let status = orders.clone().place_order(place("o-2")).await.unwrap_err();
        assert!(begin.elapsed() < QUICKLY, "{:?}", begin.elapsed());
        assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::Unavailable)));
        // With both of them down, either may be named.
        assert!(status.message().contains(" does not answer: "), "{name} is down: {status}");
    }
    // All else goes on, what was promised included.
    assert_eq!(orders.clone().place_order(repeated).await.unwrap().into_inner(), placed);
    let id = || "o-1".to_owned();
    assert_eq!(
        orders.clone().get_order(GetOrderRequest { order_id: id() }).await.unwrap().into_inner(),
        placed
    );
    orders.clone().cancel_order(cancel("o-1")).await.unwrap();
    let status = orders.clone().get_order(GetOrderRequest { order_id: "o-2".to_owned() }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn the_service_that_is_down_is_named() {
    let shop = Shop::start().await;
    let Shop { running: [customers, catalog, _orders], orders, dirs: _dirs, partners: _partners, .. } = shop;
    catalog.stop().await;
    let status = orders.clone().place_order(place("o-1")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("catalog does not answer"), "{status}");
    drop(customers);
}

#[tokio::test]
async fn orders_go_on_when_the_service_is_back() {
    let (dir, customers_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let shop = Shop::start().await;
    // An address where nobody is, and later somebody; no other test takes ports there.
    let listener = std::net::TcpListener::bind("127.17.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let late = orders(&dir, &format!("http://{address}"), shop.running[1].url(), NOWHERE).await;
    let mut client = OrdersClient::new(late.channel());
    assert_eq!(client.place_order(place("o-1")).await.unwrap_err().code(), Code::Unavailable);

    let config = customers::Config::parse_from(["customers"]);
    let args = ServerArgs {
        listen: address,
        data_dir: Some(customers_dir.path().to_owned()),
        ..ServerArgs::default()
    };
    let _customers = Running::start_with("customers", args, |server| customers::start(config, server)).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    // The customer is not there, but customers is: no longer UNAVAILABLE.
    while client.place_order(place("o-1")).await.unwrap_err().code() != Code::FailedPrecondition {
        assert!(Instant::now() < deadline, "still UNAVAILABLE");
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_costs_no_more_than_the_deadline() {
    let dir = TempDir::new().unwrap();
    let shop = Shop::start().await;
    // Takes connections, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let flags = ["orders", "--customers", &url, "--catalog", shop.running[1].url()];
    let config = orders::Config::parse_from(flags);
    // That of the service: one of the call would end at the client as well.
    let args = ServerArgs {
        default_deadline: Duration::from_millis(500),
        data_dir: Some(dir.path().to_owned()),
        ..ServerArgs::default()
    };
    let service = Running::start_with("orders", args, |server| orders::start(config, server)).await;
    let begin = Instant::now();
    let status = OrdersClient::new(service.channel()).place_order(place("o-1")).await.unwrap_err();
    assert!(begin.elapsed() < QUICKLY, "{:?}", begin.elapsed());
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Unavailable), "{status}");
}

/// Whoever places an order does not need those who bring it to its end.
#[tokio::test]
async fn an_order_waits_for_who_is_away_and_ends_well_when_they_are_back() {
    let dir = TempDir::new().unwrap();
    let shop = Shop::start().await;
    // An address where nobody is, and later somebody; no other test takes ports there.
    let listener = std::net::TcpListener::bind("127.17.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let service = orders(&dir, shop.running[0].url(), shop.running[1].url(), &url).await;
    let mut client = OrdersClient::new(service.channel());
    let begin = Instant::now();
    for (id, token) in [("o-1", "tok_ok"), ("o-2", ""), ("o-3", "tok_ok")] {
        let request = PlaceOrderRequest { payment_token: token.to_owned(), ..place(id) };
        let placed = client.place_order(request).await.unwrap().into_inner();
        assert_eq!(placed.state(), OrderState::Placed);
    }
    let cancelling = client.cancel_order(cancel("o-3")).await.unwrap().into_inner();
    assert_eq!(cancelling.state(), OrderState::Cancelling);
    assert!(begin.elapsed() < QUICKLY, "{:?}", begin.elapsed());

    let partners = Standins::start_at(address).await;
    for (id, state) in
        [("o-1", OrderState::Confirmed), ("o-2", OrderState::Confirmed), ("o-3", OrderState::Cancelled)]
    {
        let begin = Instant::now();
        let get = || GetOrderRequest { order_id: id.to_owned() };
        while client.get_order(get()).await.unwrap().into_inner().state() != state {
            assert!(begin.elapsed() < PATIENCE, "{id} is not {state:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let state = partners.world.state();
    let captured: Vec<i64> = state.money.payments.values().map(|paid| paid.captured).collect();
    assert_eq!(captured, [2 * 2500 + 1999, 0]);
}
