//! A shipment on its way.

use tributary_chassis::position::POSITION;

use super::*;

const WRONG_STATE: (Code, Option<Reason>) = (Code::FailedPrecondition, Some(Reason::WrongState));

#[tokio::test]
async fn a_shipment_is_prepared_dispatched_and_delivered() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let pending = service.get("o-1").await.unwrap();
    let dispatched = service.dispatch(dispatch("o-1")).await.unwrap();
    let expected = Shipment {
        state: ShipmentState::Dispatched.into(),
        carrier: "DHL".to_owned(),
        tracking_code: "JJD-7".to_owned(),
        dispatch_time: dispatched.update_time,
        update_time: dispatched.update_time,
        etag: dispatched.etag.clone(),
        ..pending.clone()
    };
    assert!(dispatched == expected && dispatched.dispatch_time.is_some() && dispatched.etag != pending.etag);
    assert_eq!(service.get("o-1").await.unwrap(), dispatched);

    let request = DeliverShipmentRequest { etag: dispatched.etag.clone(), ..deliver("o-1") };
    let delivered = service.deliver(request).await.unwrap();
    let expected = Shipment {
        state: ShipmentState::Delivered.into(),
        deliver_time: delivered.update_time,
        update_time: delivered.update_time,
        etag: delivered.etag.clone(),
        ..dispatched
    };
    assert!(delivered == expected && delivered.deliver_time.is_some());
    assert_eq!(service.get("o-1").await.unwrap(), delivered);
}

#[tokio::test]
async fn it_goes_in_one_direction() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    assert_eq!(refusal(service.deliver(deliver("o-1")).await), WRONG_STATE);
    service.dispatch(dispatch("o-1")).await.unwrap();
    let status = service.dispatch(dispatch("o-1")).await.unwrap_err();
    let text = "shipment `o-1` is DISPATCHED: only one that is PENDING can be dispatched";
    assert_eq!(status.message(), text);
    assert_eq!(refusal::<()>(Err(status)), WRONG_STATE);
    service.deliver(deliver("o-1")).await.unwrap();
    assert_eq!(refusal(service.dispatch(dispatch("o-1")).await), WRONG_STATE);
    assert_eq!(refusal(service.deliver(deliver("o-1")).await), WRONG_STATE);
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let stale = service.get("o-1").await.unwrap().etag;
    let aborted = (Code::Aborted, Some(Reason::EtagMismatch));
    let request = DispatchShipmentRequest { etag: "nonsense".to_owned(), ..dispatch("o-1") };
    assert_eq!(refusal(service.dispatch(request).await), aborted);
    let request = DispatchShipmentRequest { etag: stale.clone(), ..dispatch("o-1") };
    let current = service.dispatch(request).await.unwrap();
    let request = DeliverShipmentRequest { etag: stale, ..deliver("o-1") };
    assert_eq!(refusal(service.deliver(request).await), aborted);
    assert_eq!(service.get("o-1").await.unwrap(), current);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let (service, _orders) = with_shipments(&[]).await;
    let results = [
        service.get("sofa").await,
        service.dispatch(dispatch("sofa")).await,
        service.deliver(deliver("sofa")).await,
    ];
    for result in results {
        let status = result.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "shipment `sofa` does not exist"));
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let (service, orders) = with_shipments(&["o-1", "o-2"]).await;
    let request = DispatchShipmentRequest { request_id: "r-1".to_owned(), ..dispatch("o-1") };
    let dispatched = service.dispatch(request.clone()).await.unwrap();
    let pending = service.get("o-2").await.unwrap();
    let service = service.restart(&orders).await;
    assert_eq!(service.get("o-1").await.unwrap(), dispatched);
    assert_eq!(service.get("o-2").await.unwrap(), pending);
    assert_eq!(service.dispatch(request).await.unwrap(), dispatched);
    service.deliver(deliver("o-1")).await.unwrap();
}

#[tokio::test]
async fn every_reply_says_where_it_stands() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let mut client = service.client.clone();
    let dispatched = client.dispatch_shipment(dispatch("o-1")).await.unwrap();
    let read = client.get_shipment(GetShipmentRequest { shipment_id: "o-1".to_owned() }).await.unwrap();
    let of = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get(POSITION).unwrap().to_str().unwrap().to_owned()
    };
    let position = of(dispatched.metadata());
    assert!(position.starts_with("shipping/") && position.ends_with("/2"), "{position}");
    assert_eq!(of(read.metadata()), position);
}

#[tokio::test]
async fn of_many_who_saw_the_same_etag_one_dispatches() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let etag = service.get("o-1").await.unwrap().etag;
    let calls: Vec<_> = (0..16)
        .map(|i| {
            let (carrier, etag) = (format!("Carrier {i}"), etag.clone());
            let request = DispatchShipmentRequest { carrier, etag, ..dispatch("o-1") };
            let mut client = service.client.clone();
            tokio::spawn(async move { client.dispatch_shipment(request).await.map(drop) })
        })
        .collect();
    let mut written = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => written += 1,
            refused => assert_eq!(refusal(refused), (Code::Aborted, Some(Reason::EtagMismatch))),
        }
    }
    assert_eq!(written, 1);
}
