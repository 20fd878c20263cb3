//! Every field at its limits and beyond them.

use prost_types::{FieldMask, Timestamp};
use shop_proto::orders::v1::WatchOrderRequest;
use tributary_chassis::{testing::check_fields, timestamp};

use super::*;

/// Fields that must be refused; none when the call must succeed.
type Fields = &'static [&'static str];

/// What makes a case of a valid request.
type Edit<T> = fn(&mut T);

#[tokio::test]
async fn of_place() {
    let shop = Shop::start().await;
    let cases: Vec<(Edit<PlaceOrderRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.order_id = "o".repeat(64), &[]),
        (|r| r.order_id = "o".repeat(65), &["order_id"]),
        (|r| r.order_id = "a b".to_owned(), &["order_id"]),
        (|r| r.customer_id = String::new(), &["customer_id"]),
        (|r| r.customer_id = "c".repeat(65), &["customer_id"]),
        (|r| r.lines = vec![], &["lines"]),
        (|r| r.lines = lines(&[("saw", 1); 256]), &[]),
        (|r| r.lines = lines(&[("saw", 1); 257]), &["lines"]),
        (|r| r.lines = lines(&[("saw", 1), ("", 1)]), &["lines[1].sku"]),
        (|r| r.lines = lines(&[("saw", 1), ("?", 1)]), &["lines[1].sku"]),
        (|r| r.lines = lines(&[("saw", 1_000_000)]), &[]),
        (|r| r.lines = lines(&[("saw", 1_000_001)]), &["lines[0].quantity"]),
        (|r| r.lines = lines(&[("saw", 1), ("saw", 0)]), &["lines[1].quantity"]),
        (
            |r| r.lines = lines(&[("saw", -1), ("", 0)]),
            &["lines[0].quantity", "lines[1].sku", "lines[1].quantity"],
        ),
        (|r| r.note = "ü".repeat(1_000), &[]),
        (|r| r.note = "ü".repeat(1_001), &["note"]),
        (|r| r.payment_token = "t".repeat(64), &[]),
        (|r| r.payment_token = "t".repeat(65), &["payment_token"]),
        (|r| r.payment_token = "4111 1111".to_owned(), &["payment_token"]),
        (|r| r.order_time = Some(timestamp::to_proto(timestamp::now())), &[]),
        (|r| r.order_time = Some(Timestamp { seconds: 253_402_300_799, nanos: 0 }), &["order_time"]),
        (|r| r.order_time = Some(Timestamp { seconds: 253_402_300_800, nanos: 0 }), &["order_time"]),
        (|r| r.order_time = Some(Timestamp { seconds: i64::MIN, nanos: 0 }), &["order_time"]),
        (|r| r.order_time = Some(Timestamp { seconds: 0, nanos: -1 }), &["order_time"]),
        (|r| r.order_time = Some(Timestamp { seconds: 0, nanos: 1_000_000_000 }), &["order_time"]),
        (|r| *r = PlaceOrderRequest::default(), &["customer_id", "lines"]),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = place("");
        set(&mut request);
        check_fields(i, shop.place(request).await, expected);
    }
}

#[tokio::test]
async fn an_order_of_the_near_future_is_refused() {
    let shop = Shop::start().await;
    let mut soon = timestamp::to_proto(timestamp::now());
    soon.seconds += 60;
    check_fields(
        0,
        shop.place(PlaceOrderRequest { order_time: Some(soon), ..place("") }).await,
        &["order_time"],
    );
}

/// Errors travel in headers, which are bounded: the longest must still arrive.
#[tokio::test]
async fn the_longest_refusals_arrive() {
    let shop = Shop::start().await;
    let malformed = PlaceOrderRequest { lines: lines(&[("?", 0); 256]), ..place("") };
    assert_eq!(shop.place(malformed).await.unwrap_err().code(), Code::InvalidArgument);
    let missing: Vec<String> = (0..256).map(|i| format!("{i:064}")).collect();
    let missing: Vec<(&str, i64)> = missing.iter().map(|sku| (sku.as_str(), 1)).collect();
    let missing = PlaceOrderRequest { lines: lines(&missing), ..place("") };
    assert_eq!(shop.place(missing).await.unwrap_err().code(), Code::FailedPrecondition);
    shop.add_product("sofa", "USD", 100).await;
    let mut mixed = vec![("sofa", 1); 256];
    mixed[0] = ("saw", 1);
    let mixed = PlaceOrderRequest { lines: lines(&mixed), ..place("") };
    assert_eq!(shop.place(mixed).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn of_update() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    let cases: Vec<(Edit<UpdateOrderRequest>, &[&str], Fields)> = vec![
        (|_| (), &[], &[]),
        (|r| r.request_id = "?".to_owned(), &[], &["request_id"]),
        (|r| r.order = None, &[], &["order.order_id"]),
        (|r| r.order.get_or_insert_default().order_id = "o".repeat(65), &[], &["order.order_id"]),
        (|r| r.order.get_or_insert_default().note = "n".repeat(1_000), &["note"], &[]),
        (|r| r.order.get_or_insert_default().note = "n".repeat(1_001), &["note"], &["order.note"]),
        (|_| (), &["nonsense"], &["update_mask"]),
        (|_| (), &["note", "state"], &["update_mask"]),
        (|_| (), &["lines"], &["update_mask"]),
        (|_| (), &["total"], &["update_mask"]),
    ];
    for (i, (set, paths, expected)) in cases.into_iter().enumerate() {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut request =
            UpdateOrderRequest { update_mask: Some(FieldMask { paths }), ..annotate("o-1", "ring") };
        set(&mut request);
        check_fields(i, shop.update(request).await, expected);
    }
}

#[tokio::test]
async fn of_get_watch_cancel_and_delete() {
    let shop = Shop::start().await;
    for (i, id) in ["", "a b", &"o".repeat(65)].into_iter().enumerate() {
        check_fields(i, shop.get(id).await, &["order_id"]);
        let watch = WatchOrderRequest { order_id: id.to_owned() };
        check_fields(i, shop.orders.clone().watch_order(watch).await, &["order_id"]);
        check_fields(i, shop.cancel(cancel(id)).await, &["order_id"]);
        check_fields(i, shop.delete(delete(id)).await, &["order_id"]);
    }
    shop.place(place("o-1")).await.unwrap();
    let reason = |length| CancelOrderRequest { reason: "ü".repeat(length), ..cancel("o-1") };
    check_fields(0, shop.cancel(reason(201)).await, &["reason"]);
    assert_eq!(shop.cancel(reason(200)).await.unwrap().cancel_reason, "ü".repeat(200));
    let request = CancelOrderRequest { request_id: "?".to_owned(), ..cancel("o-1") };
    check_fields(0, shop.cancel(request).await, &["request_id"]);
    let request = DeleteOrderRequest { request_id: "?".to_owned(), ..delete("o-1") };
    check_fields(0, shop.delete(request).await, &["request_id"]);
    shop.place(place("o-2")).await.unwrap();
    let without = CancelOrderRequest { reason: String::new(), ..cancel("o-2") };
    assert_eq!(shop.cancel(without).await.unwrap().cancel_reason, "");
}
