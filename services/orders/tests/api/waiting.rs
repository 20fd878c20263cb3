//! Callers that wait for an order to go on.

use shop_proto::orders::v1::WatchOrderRequest;
use tonic::{Request, Streaming};

use super::*;

async fn watch(shop: &Shop, order_id: &str) -> Streaming<Order> {
    let request = WatchOrderRequest { order_id: order_id.to_owned() };
    shop.orders.clone().watch_order(request).await.unwrap().into_inner()
}

async fn next(orders: &mut Streaming<Order>) -> Result<Option<Order>, Status> {
    tokio::time::timeout(PATIENCE, orders.message()).await.expect("in time")
}

/// Place it with `wait`, and so much time.
async fn place_and_wait(shop: &Shop, placement: PlaceOrderRequest, time: Duration) -> Order {
    let mut request = Request::new(PlaceOrderRequest { wait: true, ..placement });
    request.set_timeout(time);
    shop.orders.clone().place_order(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn who_watches_sees_the_order_go_by_to_its_end() {
    let shop = Shop::start().await;
    let placed = shop.place(place("o-1")).await.unwrap();
    let mut orders = watch(&shop, "o-1").await;
    assert_eq!(next(&mut orders).await.unwrap(), Some(placed));
    let annotated = shop.update(annotate("o-1", "ring")).await.unwrap();
    assert_eq!(next(&mut orders).await.unwrap(), Some(annotated));
    // What changes nothing is not shown, and what is of another order neither.
    shop.update(annotate("o-1", "ring")).await.unwrap();
    shop.place(place("o-2")).await.unwrap();
    let cancelling = shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!(next(&mut orders).await.unwrap(), Some(cancelling));
    shop.call_partners_back();
    let last = next(&mut orders).await.unwrap().unwrap();
    assert_eq!(last.state(), OrderState::Cancelled);
    assert_eq!(next(&mut orders).await.unwrap(), None);

    let mut orders = watch(&shop, "o-1").await;
    assert_eq!(next(&mut orders).await.unwrap(), Some(last), "at its end it is shown once");
    assert_eq!(next(&mut orders).await.unwrap(), None);
}

#[tokio::test]
async fn who_watches_slowly_sees_where_it_is_and_not_all_between() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    let mut orders = watch(&shop, "o-1").await;
    next(&mut orders).await.unwrap();
    // More than fits into what a connection holds.
    let mut last = None;
    for i in 0..400 {
        last = Some(shop.update(annotate("o-1", &format!("{i}{}", "ü".repeat(900)))).await.unwrap());
    }
    let mut seen = Vec::new();
    while seen.last() != last.as_ref() {
        seen.push(next(&mut orders).await.unwrap().expect("an order"));
    }
    assert!(seen.len() <= 400, "{}", seen.len());
    assert!(
        seen.is_sorted_by(|one, next| version(one) < version(next)),
        "none comes twice, and none too late"
    );
}

/// How often it was written.
fn version(order: &Order) -> u64 {
    order.etag.split_once('-').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_watched() {
    let shop = Shop::start().await;
    let request = WatchOrderRequest { order_id: "o-9".to_owned() };
    let status = shop.orders.clone().watch_order(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "order `o-9` does not exist"));
}

#[tokio::test]
async fn a_watch_ends_with_its_time_and_with_the_service() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    let mut request = Request::new(WatchOrderRequest { order_id: "o-1".to_owned() });
    request.set_timeout(Duration::from_millis(300));
    let mut brief = shop.orders.clone().watch_order(request).await.unwrap().into_inner();
    let mut long = watch(&shop, "o-1").await;
    assert!(next(&mut brief).await.unwrap().is_some() && next(&mut long).await.unwrap().is_some());
    assert_eq!(next(&mut brief).await.unwrap_err().code(), Code::DeadlineExceeded);
    let Shop { running: [_customers, _catalog, orders], dirs: _dirs, .. } = shop;
    let stopping = tokio::spawn(orders.stop());
    let status = next(&mut long).await.unwrap_err();
    assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::Draining)));
    drop(long);
    stopping.await.unwrap();
}

#[tokio::test]
async fn more_watches_than_the_limit_are_refused() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    let mut watches = Vec::new();
    // A connection has room for 1,024 streams: on the last one the others would wait at the client.
    let channels = [shop.running[2].channel(), shop.running[2].channel()];
    for i in 0..1_024 {
        let mut client = OrdersClient::new(channels[i % 2].clone());
        let request = WatchOrderRequest { order_id: "o-1".to_owned() };
        watches.push(client.watch_order(request).await.unwrap().into_inner());
    }
    let request = WatchOrderRequest { order_id: "o-1".to_owned() };
    let refused = shop.orders.clone().watch_order(request.clone()).await;
    assert_eq!(refusal(refused.map(drop)), (Code::ResourceExhausted, Some(Reason::Overloaded)));
    // Others are not held up, and a place that is given up is free.
    shop.get("o-1").await.unwrap();
    drop(watches);
    let begin = Instant::now();
    while shop.orders.clone().watch_order(request.clone()).await.is_err() {
        assert!(begin.elapsed() < PATIENCE, "no place comes free");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_waits_is_answered_when_the_order_is_no_longer_placed() {
    let shop = Shop::start().await;
    let by_card = PlaceOrderRequest { payment_token: "tok_ok".to_owned(), ..place("o-1") };
    let (placed, ()) = tokio::join!(place_and_wait(&shop, by_card, PATIENCE), async {
        // So that there is something to wait for.
        while shop.get("o-1").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shop.call_partners_back();
    });
    assert_eq!(placed.state(), OrderState::Confirmed);
    shop.partners.world.state().goods.receive("saw", 0);
    let given_up = place_and_wait(&shop, place("o-2"), PATIENCE).await;
    assert!(matches!(given_up.state(), OrderState::Cancelling | OrderState::Cancelled), "{given_up:?}");
}

#[tokio::test]
async fn who_has_no_time_left_is_answered_as_it_is() {
    let shop = Shop::start().await;
    for time in [400, 50] {
        let begin = Instant::now();
        let time = Duration::from_millis(time);
        let placed = place_and_wait(&shop, place(&format!("o-{time:?}")), time).await;
        assert_eq!(placed.state(), OrderState::Placed);
        assert!(begin.elapsed() < time, "{:?} of {time:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_repetition_that_waits_is_answered_as_it_is_now() {
    let shop = Shop::start().await;
    let placement = PlaceOrderRequest { request_id: "r-1".to_owned(), ..place("o-1") };
    let brief = Duration::from_millis(400);
    let placed = place_and_wait(&shop, placement.clone(), brief).await;
    assert_eq!(placed.state(), OrderState::Placed);
    shop.call_partners_back();
    let confirmed = shop.reaches("o-1", OrderState::Confirmed).await;
    assert_eq!(place_and_wait(&shop, placement, brief).await, confirmed);
}
