//! What comes when nobody expects it any more: a step behind its own undo, an order under an id that was used,
//! a commit behind the end of its reservation.

use std::time::{Duration, Instant};

use shop_proto::{
    orders::v1::{CancelCause, DeleteOrderRequest, OrderState, PlaceOrderRequest, place_order_request::Line},
    payments::v1::PaymentState,
};

use super::{
    audit::{End, Expected, audit},
    shop::{PATIENCE, PRICE, Shop},
    standins::{Fault, When},
};

const REQUESTED: End = End::Cancelled(CancelCause::Requested);

fn expected(order_id: &str, end: End) -> Expected {
    Expected { order_id: order_id.to_owned(), sku: "teapot", quantity: 1, by_card: true, end, or: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_comes_behind_its_undo_has_no_effect() {
    let shop = Shop::inside(None).await;
    let steps = ["reserve", "authorize", "commit", "capture"];
    let mut orders = Vec::new();
    for step in steps {
        shop.world.faults.plan(step, step, Fault::Cancel(When::Before));
        shop.world.faults.plan(step, step, Fault::Late);
        shop.place(step, "teapot", 1, "tok_ok").await;
        orders.push(expected(step, REQUESTED));
    }
    assert_eq!(audit(&shop, &orders).await, Vec::<String>::new());
    assert_eq!(shop.world.faults.deliver_late(), steps.len());
    assert_eq!(audit(&shop, &orders).await, Vec::<String>::new());
}

/// The same request in every step, so that replies to the first order would do for the second.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_under_an_id_that_was_used_is_cancelled_and_costs_nothing() {
    let shop = Shop::inside(None).await;
    shop.world.faults.plan("o-1", "capture", Fault::Cancel(When::After));
    shop.place("o-1", "teapot", 1, "tok_ok").await;
    assert_eq!(audit(&shop, &[expected("o-1", REQUESTED)]).await, Vec::<String>::new());

    let delete = DeleteOrderRequest { order_id: "o-1".to_owned(), ..DeleteOrderRequest::default() };
    shop.client.clone().delete_order(delete).await.unwrap();
    let again = PlaceOrderRequest {
        order_id: "o-1".to_owned(),
        customer_id: "ada".to_owned(),
        lines: vec![Line { sku: "teapot".to_owned(), quantity: 1 }],
        payment_token: "tok_ok".to_owned(),
        ..PlaceOrderRequest::default()
    };
    shop.client.clone().place_order(again).await.unwrap();
    let end = [OrderState::Cancelled, OrderState::Confirmed];
    let order = shop.reaches("o-1", &end).await.expect("an end");
    assert_eq!((order.state(), order.cancel_cause()), (OrderState::Cancelled, CancelCause::IdUsedBefore));
    let state = shop.world.state();
    let paid = &state.money.payments["o-1"];
    assert_eq!((paid.state, paid.captured, paid.refunded), (PaymentState::Refunded, PRICE, PRICE));
    let teapot = state.goods.stock["teapot"];
    assert_eq!((teapot.on_hand, teapot.reserved), (teapot.initial, 0));
}

/// Holds the order at its commit, and lets its reservation expire meanwhile.
async fn expire(shop: &Shop, order_id: &str, sku: &str, then: impl FnOnce()) {
    shop.world.faults.plan(order_id, "commit", Fault::Silent(When::Before));
    shop.place(order_id, sku, 1, "tok_ok").await;
    let begin = Instant::now();
    let commits = |seen: &super::standins::Seen| seen.order_id == order_id && seen.step == "commit";
    while !shop.world.faults.seen().iter().any(commits) {
        assert!(begin.elapsed() < PATIENCE, "no commit");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shop.world.state().goods.expire(order_id);
    then();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_expired_is_held_again_as_long_as_there_is_enough() {
    let shop = Shop::inside(None).await;
    expire(&shop, "o-1", "teapot", || ()).await;
    shop.world.state().goods.receive("rare", 1);
    // Somebody else takes the last one.
    expire(&shop, "o-2", "rare", || shop.world.state().goods.receive("rare", 0)).await;
    let gone = Expected { sku: "rare", ..expected("o-2", End::Cancelled(CancelCause::OutOfStock)) };
    assert_eq!(audit(&shop, &[expected("o-1", End::Confirmed), gone]).await, Vec::<String>::new());
    assert_eq!(shop.get("o-2").await.cancel_reason, "not enough of rare");
}
