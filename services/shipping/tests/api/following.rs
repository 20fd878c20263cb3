//! What the orders' feed has for effects here.

use super::*;

#[tokio::test]
async fn a_confirmed_order_gets_a_shipment() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let shipment = service.get("o-1").await.unwrap();
    assert!(shipment.create_time.is_some() && !shipment.etag.is_empty());
    let expected = Shipment {
        shipment_id: "o-1".to_owned(),
        order_id: "o-1".to_owned(),
        customer_id: "ada".to_owned(),
        state: ShipmentState::Pending.into(),
        create_time: shipment.create_time,
        update_time: shipment.create_time,
        etag: shipment.etag.clone(),
        ..Shipment::default()
    };
    assert_eq!(shipment, expected);
}

#[tokio::test]
async fn an_order_that_never_was_confirmed_gets_none() {
    let (service, orders) = with_shipments(&[]).await;
    publish(&orders, &order("o-1", OrderState::Placed));
    publish(&orders, &unconfirmed("o-1", OrderState::Cancelling));
    publish(&orders, &unconfirmed("o-1", OrderState::Cancelled));
    let key_alone = Order { order_id: "o-1".to_owned(), ..Order::default() };
    orders.delete("orders", "o-1", &key_alone);
    service.caught_up(&orders, "mark").await;
    assert_eq!(refusal(service.get("o-1").await).0, Code::NotFound);
}

#[tokio::test]
async fn a_cancelled_order_keeps_its_shipment_in_the_house() {
    let (service, orders) = with_shipments(&["o-1"]).await;
    publish(&orders, &order("o-1", OrderState::Cancelling));
    let cancelled = service.until("o-1", ShipmentState::Cancelled).await;
    let refused = (Code::FailedPrecondition, Some(Reason::WrongState));
    assert_eq!(refusal(service.dispatch(dispatch("o-1")).await), refused);
    // Whatever comes behind, also once more.
    publish(&orders, &order("o-1", OrderState::Confirmed));
    publish(&orders, &order("o-1", OrderState::Cancelled));
    service.caught_up(&orders, "mark").await;
    assert_eq!(service.get("o-1").await.unwrap(), cancelled);
}

/// The order was confirmed and cancelled while nobody looked.
#[tokio::test]
async fn a_cancellation_may_come_before_there_is_a_shipment() {
    let (service, orders) = with_shipments(&[]).await;
    publish(&orders, &order("o-1", OrderState::Cancelling));
    let tombstone = service.until("o-1", ShipmentState::Cancelled).await;
    assert_eq!((tombstone.customer_id.as_str(), tombstone.carrier.as_str()), ("ada", ""));
    publish(&orders, &order("o-1", OrderState::Confirmed));
    service.caught_up(&orders, "mark").await;
    assert_eq!(service.get("o-1").await.unwrap(), tombstone);
}

#[tokio::test]
async fn a_cancellation_may_come_too_late() {
    let (service, orders) = with_shipments(&["o-1", "o-2"]).await;
    let dispatched = service.dispatch(dispatch("o-1")).await.unwrap();
    service.dispatch(dispatch("o-2")).await.unwrap();
    let delivered = service.deliver(deliver("o-2")).await.unwrap();
    for id in ["o-1", "o-2"] {
        publish(&orders, &order(id, OrderState::Cancelling));
    }
    service.caught_up(&orders, "mark").await;
    assert_eq!(service.get("o-1").await.unwrap(), dispatched);
    assert_eq!(service.get("o-2").await.unwrap(), delivered);
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let (service, orders) = with_shipments(&["o-1"]).await;
    let before = service.get("o-1").await.unwrap();
    let dir = service.stop().await;
    publish(&orders, &order("o-2", OrderState::Confirmed));
    let service = Service::start_in(dir, &orders.url()).await;
    service.until("o-2", ShipmentState::Pending).await;
    assert_eq!(service.get("o-1").await.unwrap(), before);
    // Only what is behind the stored position was asked for: what is not kept any more is not missed.
    let dir = service.stop().await;
    orders.forget();
    publish(&orders, &order("o-3", OrderState::Confirmed));
    let service = Service::start_in(dir, &orders.url()).await;
    service.until("o-3", ShipmentState::Pending).await;
    let changes = tributary_chassis::testing::published(&service.running, 3).await;
    let keys: Vec<_> = changes.iter().map(|change| (change.sequence, change.key.as_str())).collect();
    assert_eq!(keys, [(1, "o-1"), (2, "o-2"), (3, "o-3")]);
}

#[tokio::test]
async fn a_snapshot_changes_nothing_that_is_there() {
    let (service, orders) = with_shipments(&["o-1", "o-2", "o-3", "o-4"]).await;
    let dispatched = service.dispatch(dispatch("o-1")).await.unwrap();
    publish(&orders, &order("o-2", OrderState::Cancelling));
    let cancelled = service.until("o-2", ShipmentState::Cancelled).await;
    let pending = service.get("o-3").await.unwrap();
    let dir = service.stop().await;
    // Missed, and not kept: a snapshot is all that tells of it.
    publish(&orders, &order("o-4", OrderState::Cancelling));
    publish(&orders, &order("o-5", OrderState::Cancelling));
    publish(&orders, &order("o-6", OrderState::Confirmed));
    publish(&orders, &order("o-7", OrderState::Placed));
    orders.forget();
    let service = Service::start_in(dir, &orders.url()).await;
    service.until("o-6", ShipmentState::Pending).await;
    service.caught_up(&orders, "mark").await;
    assert_eq!(service.get("o-1").await.unwrap(), dispatched);
    assert_eq!(service.get("o-2").await.unwrap(), cancelled);
    assert_eq!(service.get("o-3").await.unwrap(), pending);
    assert_eq!(service.get("o-4").await.unwrap().state(), ShipmentState::Cancelled);
    assert_eq!(service.get("o-5").await.unwrap().state(), ShipmentState::Cancelled);
    assert_eq!(refusal(service.get("o-7").await).0, Code::NotFound);
}

/// As after the store of orders was restored: whatever it says now, no shipment goes back.
#[tokio::test]
async fn another_history_of_orders_turns_nothing_back() {
    let (service, orders) = with_shipments(&["o-1"]).await;
    let dispatched = service.dispatch(dispatch("o-1")).await.unwrap();
    let orders = orders.stop().await.back_with_another_history().await;
    publish(&orders, &order("o-1", OrderState::Confirmed));
    publish(&orders, &order("o-2", OrderState::Confirmed));
    service.until("o-2", ShipmentState::Pending).await;
    publish(&orders, &order("o-1", OrderState::Cancelling));
    service.caught_up(&orders, "mark").await;
    assert_eq!(service.get("o-1").await.unwrap(), dispatched);
}

#[tokio::test]
async fn it_serves_without_orders_and_goes_on_when_they_are_back() {
    let (service, orders) = with_shipments(&["o-1"]).await;
    let away = orders.stop().await;
    service.dispatch(dispatch("o-1")).await.unwrap();
    let dir = service.stop().await;
    // Also from the start.
    let service = Service::start_in(dir, "http://127.0.0.1:1").await;
    service.deliver(deliver("o-1")).await.unwrap();
    let orders = away.back().await;
    let service = service.restart(&orders).await;
    publish(&orders, &order("o-2", OrderState::Confirmed));
    service.until("o-2", ShipmentState::Pending).await;
}

/// Nothing is skipped in silence: what is behind it waits, and the service serves on.
#[tokio::test]
async fn an_order_that_cannot_be_understood_holds_the_others() {
    let (service, orders) = with_shipments(&["o-1"]).await;
    assert_eq!(orders.followers(), 1);
    publish(&orders, &Order { state: 99, ..order("o-2", OrderState::Confirmed) });
    publish(&orders, &order("o-3", OrderState::Confirmed));
    let leaving = async {
        while orders.followers() > 0 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, leaving).await.unwrap();
    service.dispatch(dispatch("o-1")).await.unwrap();
    service.deliver(deliver("o-1")).await.unwrap();
    for id in ["o-2", "o-3"] {
        assert_eq!(refusal(service.get(id).await).0, Code::NotFound, "{id}");
    }
}
