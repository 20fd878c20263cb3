//! Every field at its limits and beyond them.

use tributary_chassis::testing::check_fields;

use super::*;

/// Fields that must be refused; none when the call must succeed.
type Fields = &'static [&'static str];

/// What makes a case of a valid request.
type Edit<T> = fn(&mut T);

#[tokio::test]
async fn of_dispatch() {
    let cases: Vec<(Edit<DispatchShipmentRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.request_id = "a b".to_owned(), &["request_id"]),
        (|r| r.shipment_id = String::new(), &["shipment_id"]),
        (|r| r.shipment_id = "s".repeat(65), &["shipment_id"]),
        (|r| r.shipment_id = "a b".to_owned(), &["shipment_id"]),
        (|r| r.carrier = "ü".repeat(64), &[]),
        (|r| r.carrier = "ü".repeat(65), &["carrier"]),
        (|r| r.carrier = String::new(), &["carrier"]),
        (|r| r.carrier = " ".to_owned(), &["carrier"]),
        (|r| r.carrier = "D\nHL".to_owned(), &["carrier"]),
        (|r| r.tracking_code = String::new(), &[]),
        (|r| r.tracking_code = "ü".repeat(64), &[]),
        (|r| r.tracking_code = "ü".repeat(65), &["tracking_code"]),
        (|r| r.tracking_code = " ".to_owned(), &["tracking_code"]),
        (|r| r.tracking_code = "7\0".to_owned(), &["tracking_code"]),
        (|r| *r = DispatchShipmentRequest::default(), &["shipment_id", "carrier"]),
    ];
    let ids: Vec<String> = (0..cases.len()).map(|i| format!("o-{i}")).collect();
    let (service, _orders) = with_shipments(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = dispatch(&ids[i]);
        set(&mut request);
        check_fields(i, service.dispatch(request).await, expected);
    }
}

#[tokio::test]
async fn of_deliver() {
    let cases: Vec<(Edit<DeliverShipmentRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.request_id = "é".to_owned(), &["request_id"]),
        (|r| r.shipment_id = String::new(), &["shipment_id"]),
        (|r| r.shipment_id = "s".repeat(65), &["shipment_id"]),
        (|r| r.shipment_id = "a/b".to_owned(), &["shipment_id"]),
    ];
    let ids: Vec<String> = (0..cases.len()).map(|i| format!("o-{i}")).collect();
    let (service, _orders) = with_shipments(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        service.dispatch(dispatch(&ids[i])).await.unwrap();
        let mut request = deliver(&ids[i]);
        set(&mut request);
        check_fields(i, service.deliver(request).await, expected);
    }
}

#[tokio::test]
async fn of_get() {
    let longest = "s".repeat(64);
    let (service, _orders) = with_shipments(&[&longest]).await;
    for (i, id) in ["", "a b", &"s".repeat(65)].into_iter().enumerate() {
        check_fields(i, service.get(id).await, &["shipment_id"]);
    }
    assert_eq!(service.get(&longest).await.unwrap().order_id, longest);
}

/// The largest request that can be right, and one that is too large to be looked at.
#[tokio::test]
async fn of_no_request_more_than_a_mebibyte() {
    let (service, _orders) = with_shipments(&["o-1"]).await;
    let huge = DispatchShipmentRequest { etag: "e".repeat(1 << 20), ..dispatch("o-1") };
    let status = service.dispatch(huge).await.unwrap_err();
    assert!([Code::OutOfRange, Code::ResourceExhausted].contains(&status.code()), "{status}");
    let large = DispatchShipmentRequest { etag: "e".repeat(1 << 19), ..dispatch("o-1") };
    assert_eq!(refusal(service.dispatch(large).await), (Code::Aborted, Some(Reason::EtagMismatch)));
}
