//! An order behind its confirmation: what shipping publishes has its effects here.

use shop_proto::{
    orders::v1::{CancelCause, OrderState},
    shipping::v1::ShipmentState,
};
use tonic::Code;

use super::{
    audit::{End, Expected, audit},
    shop::Shop,
};

fn expected(order_id: &str, end: End) -> Expected {
    Expected { order_id: order_id.to_owned(), sku: "saw", quantity: 2, by_card: true, end, or: None }
}

async fn confirmed(shop: &Shop, order_id: &str) {
    shop.place(order_id, "saw", 2, "tok_ok").await;
    let order = shop.reaches(order_id, &[OrderState::Confirmed]).await.expect("confirmed");
    assert!(order.confirm_time.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_follows_its_shipment_to_the_door() {
    let shop = Shop::inside(None).await;
    confirmed(&shop, "o-1").await;
    confirmed(&shop, "o-2").await;
    shop.ship("o-1", ShipmentState::Pending);
    shop.ship("o-1", ShipmentState::Dispatched);
    let dispatched = shop.reaches("o-1", &[OrderState::Dispatched]).await.expect("dispatched");
    assert_eq!(shop.cancel("o-1").await.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(
        audit(&shop, &[expected("o-1", End::Dispatched), expected("o-2", End::Confirmed)]).await,
        [""; 0]
    );
    shop.ship("o-1", ShipmentState::Delivered);
    let delivered = shop.reaches("o-1", &[OrderState::Delivered]).await.expect("delivered");
    assert_eq!(delivered.confirm_time, dispatched.confirm_time);
    // Who follows may see only where it ended; and what has been is seen again.
    shop.ship("o-2", ShipmentState::Delivered);
    shop.ship("o-2", ShipmentState::Dispatched);
    shop.reaches("o-2", &[OrderState::Delivered]).await.expect("delivered");
    // An order that does not exist stops nobody.
    shop.ship("o-9", ShipmentState::Dispatched);
    confirmed(&shop, "o-3").await;
    shop.ship("o-3", ShipmentState::Dispatched);
    shop.reaches("o-3", &[OrderState::Dispatched]).await.expect("dispatched");
    assert_eq!(shop.get("o-2").await.state(), OrderState::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_goes_back_only_when_its_shipment_stays() {
    let shop = Shop::process().await;
    for order_id in ["stays", "left", "arrived"] {
        confirmed(&shop, order_id).await;
        let cancelling = shop.cancel(order_id).await.unwrap();
        assert_eq!(
            (cancelling.state(), cancelling.cancel_cause()),
            (OrderState::Cancelling, CancelCause::Requested)
        );
    }
    // However long it takes, and whatever dies meanwhile, nothing is given back.
    shop.service.lock().await.kill().await;
    shop.place("o-1", "saw", 2, "tok_ok").await;
    shop.reaches("o-1", &[OrderState::Confirmed]).await.expect("others go on");
    for order_id in ["stays", "left", "arrived"] {
        assert_eq!(shop.get(order_id).await.state(), OrderState::Cancelling);
        assert_eq!(shop.world.state().money.payments[order_id].refunded, 0);
    }

    shop.ship("stays", ShipmentState::Cancelled);
    shop.ship("left", ShipmentState::Dispatched);
    shop.ship("arrived", ShipmentState::Delivered);
    // Whatever of it was not taken over in time is a row of a snapshot then.
    shop.without_shipping(async { shop.service.lock().await.kill().await }).await;

    let ends = [expected("stays", End::Cancelled(CancelCause::Requested)), expected("left", End::Dispatched)];
    let arrived = shop.reaches("arrived", &[OrderState::Delivered]).await.expect("delivered");
    // The cancellation came too late, and nothing is left of it.
    assert_eq!((arrived.cancel_cause(), arrived.cancel_reason.as_str()), (CancelCause::Unspecified, ""));
    let others = [expected("o-1", End::Confirmed), expected("arrived", End::Dispatched)];
    let mut findings = audit(&shop, &[&ends[..], &others[..1]].concat()).await;
    // What has arrived was sold as well; the audit was not told.
    findings.retain(|finding| !finding.starts_with("saw: "));
    assert_eq!(findings, [""; 0]);
}
