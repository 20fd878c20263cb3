//! What others can follow.

use tributary_chassis::testing::{published, value};
use tributary_proto::feed::v1::Operation;

use super::*;

#[tokio::test]
async fn every_effect_is_published_and_nothing_else() {
    let (service, orders) = with_shipments(&["o-1"]).await;
    let prepared = service.get("o-1").await.unwrap();
    publish(&orders, &order("o-1", OrderState::Confirmed));
    let request = DispatchShipmentRequest { request_id: "r-1".to_owned(), ..dispatch("o-1") };
    let dispatched = service.dispatch(request.clone()).await.unwrap();
    // Neither a repetition, nor a rejection, nor an order that asks for what is there or for too much.
    service.dispatch(request).await.unwrap();
    refusal(service.dispatch(dispatch("o-1")).await);
    publish(&orders, &order("o-1", OrderState::Dispatched));
    publish(&orders, &order("o-1", OrderState::Cancelling));
    publish(&orders, &order("o-2", OrderState::Placed));
    publish(&orders, &order("o-2", OrderState::Cancelling));
    let cancelled = service.until("o-2", ShipmentState::Cancelled).await;
    let delivered = service.deliver(deliver("o-1")).await.unwrap();

    let changes = published(&service.running, 4).await;
    let brief: Vec<_> = changes
        .iter()
        .map(|c| (c.sequence, c.key.as_str(), c.event.as_str(), c.request_id.as_str()))
        .collect();
    let expected = [
        (1, "o-1", "ShipmentPrepared", ""),
        (2, "o-1", "ShipmentDispatched", "r-1"),
        (3, "o-2", "ShipmentCancelled", ""),
        (4, "o-1", "ShipmentDelivered", ""),
    ];
    assert_eq!(brief, expected);
    assert!(changes.iter().all(|c| c.entity == "shipments" && c.operation() == Operation::Upsert));
    let values: Vec<Shipment> = changes.iter().map(value).collect();
    assert_eq!(values, [prepared, dispatched, cancelled, delivered]);
}
