//! The same request again, and another one under the same id.

use tributary_chassis::testing::published;

use super::*;

const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::RequestIdReused));

fn once(request: DispatchShipmentRequest) -> DispatchShipmentRequest {
    DispatchShipmentRequest { request_id: "r-1".to_owned(), ..request }
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_reply() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let dispatched = service.dispatch(once(dispatch("o-1"))).await.unwrap();
    assert_eq!(service.dispatch(once(dispatch("o-1"))).await.unwrap(), dispatched);
    let request = DeliverShipmentRequest { request_id: "r-2".to_owned(), ..deliver("o-1") };
    let delivered = service.deliver(request.clone()).await.unwrap();
    assert_eq!(service.deliver(request).await.unwrap(), delivered);
    // Whatever happened since.
    assert_eq!(service.dispatch(once(dispatch("o-1"))).await.unwrap(), dispatched);
    assert_eq!(service.get("o-1").await.unwrap(), delivered);
}

/// 32 times at once, for either method: one effect, one reply.
#[tokio::test]
async fn a_request_repeated_at_once_has_one_effect() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let client = &service.client;
    let dispatching = (0..32).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.dispatch_shipment(once(dispatch("o-1"))).await })
    });
    let first = all_the_same(dispatching.collect()).await;
    let delivering = (0..32).map(|_| {
        let request = DeliverShipmentRequest { request_id: "r-2".to_owned(), ..deliver("o-1") };
        let mut client = client.clone();
        tokio::spawn(async move { client.deliver_shipment(request).await })
    });
    let second = all_the_same(delivering.collect()).await;
    assert_eq!((first.state(), second.state()), (ShipmentState::Dispatched, ShipmentState::Delivered));
    service.get("o-1").await.unwrap();
    let events: Vec<String> =
        published(&service.running, 3).await.into_iter().map(|change| change.event).collect();
    assert_eq!(events, ["ShipmentPrepared", "ShipmentDispatched", "ShipmentDelivered"]);
}

type Calls = Vec<tokio::task::JoinHandle<Result<tonic::Response<Shipment>, Status>>>;

async fn all_the_same(calls: Calls) -> Shipment {
    let mut replies = Vec::new();
    for call in calls {
        replies.push(call.await.unwrap().unwrap().into_inner());
    }
    assert!(replies.len() == 32 && replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    replies.swap_remove(0)
}

#[tokio::test]
async fn another_request_under_the_same_id_is_refused() {
    let (service, _orders) = with_shipments(&["o-1", "o-2"]).await;
    let dispatched = service.dispatch(once(dispatch("o-1"))).await.unwrap();
    assert_eq!(refusal(service.dispatch(once(dispatch("o-2"))).await), REUSED);
    let other = DispatchShipmentRequest { carrier: "UPS".to_owned(), ..once(dispatch("o-1")) };
    assert_eq!(refusal(service.dispatch(other).await), REUSED);
    let other = DeliverShipmentRequest { request_id: "r-1".to_owned(), ..deliver("o-1") };
    assert_eq!(refusal(service.deliver(other).await), REUSED);
    assert_eq!(service.get("o-1").await.unwrap(), dispatched);
    assert_eq!(service.get("o-2").await.unwrap().state(), ShipmentState::Pending);
}

#[tokio::test]
async fn a_rejection_is_decided_anew() {
    let (service, orders) = with_shipments(&[]).await;
    assert_eq!(refusal(service.dispatch(once(dispatch("o-1"))).await).0, Code::NotFound);
    service.caught_up(&orders, "o-1").await;
    service.dispatch(once(dispatch("o-1"))).await.unwrap();
}

#[tokio::test]
async fn without_a_request_id_every_call_is_new() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    service.dispatch(dispatch("o-1")).await.unwrap();
    assert_eq!(refusal(service.dispatch(dispatch("o-1")).await).0, Code::FailedPrecondition);
}
