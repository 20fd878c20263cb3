//! Every field of every method, at its limits and beyond them.

use tributary_chassis::testing::check_fields;

use super::*;

/// Fields that must be refused; none when the call must succeed.
type Fields = &'static [&'static str];

/// What makes a case of a valid request.
type Edit<T> = fn(&mut T);

/// What no id may be.
fn malformed() -> [String; 4] {
    ["", "a b", "ä", &"s".repeat(65)].map(str::to_owned)
}

#[tokio::test]
async fn of_create() {
    let service = Service::start().await;
    let cases: Vec<(Edit<CreateStockItemRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.request_id = "?".to_owned(), &["request_id"]),
        (|r| r.sku = "s".repeat(64), &[]),
        (|r| r.on_hand = 0, &[]),
        (|r| r.on_hand = -1, &["on_hand"]),
        (|r| r.on_hand = 1_000_000_000_000, &[]),
        (|r| r.on_hand = 1_000_000_000_001, &["on_hand"]),
        (|r| r.on_hand = i64::MIN, &["on_hand"]),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = create(&format!("item-{i}"), 5);
        set(&mut request);
        check_fields(i, service.create(request).await, expected);
    }
    for (i, sku) in malformed().iter().enumerate() {
        check_fields(i, service.create(create(sku, -1)).await, &["sku", "on_hand"]);
    }
}

#[tokio::test]
async fn of_receive() {
    let service = Service::start().await;
    service.create(create("saw", 5)).await.unwrap();
    let cases: Vec<(Edit<ReceiveStockRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.quantity = 0, &["quantity"]),
        (|r| r.quantity = -1, &["quantity"]),
        (|r| r.quantity = 1_000_000_000, &[]),
        (|r| r.quantity = 1_000_000_001, &["quantity"]),
        (|r| r.quantity = i64::MAX, &["quantity"]),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = receive("saw", 1);
        set(&mut request);
        check_fields(i, service.receive(request).await, expected);
    }
    for (i, sku) in malformed().iter().enumerate() {
        check_fields(i, service.receive(receive(sku, 0)).await, &["sku", "quantity"]);
    }
    assert_eq!(service.receive(receive(&"s".repeat(64), 1)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn of_adjust() {
    let service = Service::start().await;
    service.create(create("saw", 10_000_000_000)).await.unwrap();
    let cases: Vec<(Edit<AdjustStockRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.delta = 0, &["delta"]),
        (|r| r.delta = 1_000_000_000, &[]),
        (|r| r.delta = 1_000_000_001, &["delta"]),
        (|r| r.delta = -1_000_000_000, &[]),
        (|r| r.delta = -1_000_000_001, &["delta"]),
        (|r| r.delta = i64::MIN, &["delta"]),
        (|r| r.reason = "ü".repeat(200), &[]),
        (|r| r.reason = "ü".repeat(201), &["reason"]),
        (|r| r.reason = String::new(), &["reason"]),
        (|r| r.reason = "  ".to_owned(), &["reason"]),
        (|r| r.reason = "a\nb".to_owned(), &["reason"]),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = adjust("saw", 1);
        set(&mut request);
        check_fields(i, service.adjust(request).await, expected);
    }
    for (i, sku) in malformed().iter().enumerate() {
        check_fields(i, service.adjust(adjust(sku, 0)).await, &["sku", "delta"]);
    }
    assert_eq!(service.adjust(adjust(&"s".repeat(64), 1)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn of_reserve() {
    let service = Service::start().await;
    let cases: Vec<(Edit<ReserveRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.reservation_id = "o".repeat(64), &[]),
        (|r| r.lines.clear(), &["lines"]),
        (|r| r.lines = vec![r.lines[0].clone(); 256], &[]),
        (|r| r.lines = vec![r.lines[0].clone(); 257], &["lines"]),
        (|r| r.lines[1].sku = "s".repeat(64), &[]),
        (|r| r.lines[1].sku = "s".repeat(65), &["lines[1].sku"]),
        (|r| r.lines[1].sku = "a b".to_owned(), &["lines[1].sku"]),
        (|r| r.lines[0].sku.clear(), &["lines[0].sku"]),
        (|r| r.lines[1].quantity = 0, &["lines[1].quantity"]),
        (|r| r.lines[1].quantity = -1, &["lines[1].quantity"]),
        (|r| r.lines[1].quantity = 1_000_000, &[]),
        (|r| r.lines[1].quantity = 1_000_001, &["lines[1].quantity"]),
        (|r| r.lines[1].quantity = i64::MAX, &["lines[1].quantity"]),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = reserve(&format!("o-{i}"), &[("saw", 1), ("file", 1)]);
        set(&mut request);
        check_fields(i, service.reserve(request).await, expected);
    }
    for (i, id) in malformed().iter().enumerate() {
        check_fields(i, service.reserve(reserve(id, &[])).await, &["reservation_id", "lines"]);
    }
}

#[tokio::test]
async fn of_all_that_take_an_id_alone() {
    let service = Service::start().await;
    for (i, id) in malformed().iter().enumerate() {
        check_fields(i, service.get(id).await, &["sku"]);
        check_fields(i, service.delete(delete(id, "")).await, &["sku"]);
        check_fields(i, service.reservation(id).await, &["reservation_id"]);
        check_fields(i, service.commit(commit(id)).await, &["reservation_id"]);
        check_fields(i, service.release(release(id)).await, &["reservation_id"]);
    }
    let longest = "s".repeat(64);
    assert_eq!(refusal(service.get(&longest).await).0, Code::NotFound);
    assert_eq!(refusal(service.delete(delete(&longest, "")).await).0, Code::NotFound);
    assert_eq!(refusal(service.reservation(&longest).await).0, Code::NotFound);
    assert_eq!(refusal(service.commit(commit(&longest)).await).0, Code::NotFound);
    service.release(release(&longest)).await.unwrap();

    let (long, longer) = (|| "r".repeat(64), || "r".repeat(65));
    let request = DeleteStockItemRequest { request_id: longer(), ..delete("saw", "") };
    check_fields(0, service.delete(request).await, &["request_id"]);
    let request = CommitRequest { request_id: longer(), ..commit("o-1") };
    check_fields(1, service.commit(request).await, &["request_id"]);
    let request = ReleaseRequest { request_id: longer(), ..release("o-1") };
    check_fields(2, service.release(request).await, &["request_id"]);
    let request = DeleteStockItemRequest { request_id: long(), ..delete("saw", "") };
    assert_eq!(refusal(service.delete(request).await).0, Code::NotFound);
    let request = CommitRequest { request_id: long(), ..commit("o-1") };
    assert_eq!(refusal(service.commit(request).await).0, Code::NotFound);
    service.release(ReleaseRequest { request_id: long(), ..release("o-1") }).await.unwrap();
}
