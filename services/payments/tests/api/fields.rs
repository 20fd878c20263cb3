//! Every field at its limits and beyond them.

use prost::Message as _;
use shop_proto::payments::v1::ListPaymentsRequest;
use tributary_chassis::testing::check_fields;

use super::*;

/// Fields that must be refused; none when the call must succeed.
type Fields = &'static [&'static str];

/// What makes a case of a valid request.
type Edit = fn(&mut AuthorizeRequest);

fn amount(request: &mut AuthorizeRequest) -> &mut Money {
    request.amount.get_or_insert_default()
}

#[tokio::test]
async fn of_authorize() {
    let service = Service::start().await;
    let cases: Vec<(Edit, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.request_id = "a b".to_owned(), &["request_id"]),
        (|r| r.payment_id = "p".repeat(64), &[]),
        (|r| r.payment_id = "p".repeat(65), &["payment_id"]),
        (|r| r.payment_id = "A.b_c-9".to_owned(), &[]),
        (|r| r.payment_id = "a:b".to_owned(), &["payment_id"]),
        (|r| r.payment_id = "ü".to_owned(), &["payment_id"]),
        (|r| r.order_id = "o".repeat(64), &[]),
        (|r| r.order_id = "o".repeat(65), &["order_id"]),
        (|r| r.order_id = String::new(), &["order_id"]),
        (|r| r.customer_id = "c".repeat(64), &[]),
        (|r| r.customer_id = "c".repeat(65), &["customer_id"]),
        (|r| r.customer_id = String::new(), &["customer_id"]),
        (|r| r.amount = None, &["amount.currency_code"]),
        (|r| amount(r).minor_units = 0, &[]),
        (|r| amount(r).minor_units = i64::MAX, &[]),
        (|r| amount(r).minor_units = -1, &["amount.minor_units"]),
        (|r| amount(r).minor_units = i64::MIN, &["amount.minor_units"]),
        (|r| amount(r).currency_code = "EU".to_owned(), &["amount.currency_code"]),
        (|r| amount(r).currency_code = "EURO".to_owned(), &["amount.currency_code"]),
        (|r| amount(r).currency_code = "eur".to_owned(), &["amount.currency_code"]),
        (|r| r.token = "t".repeat(64), &[]),
        (|r| r.token = "t".repeat(65), &["token"]),
        (|r| r.token = String::new(), &["token"]),
        (|r| r.token = "4111 1111".to_owned(), &["token"]),
        (
            |r| *r = AuthorizeRequest { payment_id: "?".to_owned(), ..AuthorizeRequest::default() },
            &["payment_id", "order_id", "customer_id", "amount.currency_code", "token"],
        ),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = authorize("", "tok_ok");
        set(&mut request);
        check_fields(i, service.authorize(request).await, expected);
    }
}

#[tokio::test]
async fn of_capture_void_and_refund() {
    let service = Service::start().await;
    let longest = "p".repeat(64);
    for operation in ["capture", "void", "refund"] {
        for (i, id) in ["", "a b", "a:b", &"p".repeat(65)].into_iter().enumerate() {
            check_fields(i, service.call(operation, id).await, &["payment_id"]);
        }
        for (i, request_id) in ["a b", "?", &"r".repeat(65)].into_iter().enumerate() {
            let call = service.call_as(request_id, operation, &longest, "").await;
            check_fields(i, call, &["request_id"]);
        }
    }
    let request_id = "r".repeat(64);
    service.call("authorize", &longest).await.unwrap();
    service.call_as(&format!("{}1", "r".repeat(63)), "capture", &longest, "").await.unwrap();
    service.call_as(&request_id, "refund", &longest, "").await.unwrap();
    service.call_as(&format!("{}2", "r".repeat(63)), "void", &"q".repeat(64), "").await.unwrap();
}

#[tokio::test]
async fn of_get_and_list() {
    let service = Service::start().await;
    for (i, id) in ["", "a b", &"p".repeat(65)].into_iter().enumerate() {
        check_fields(i, service.get(id).await, &["payment_id"]);
    }
    assert_eq!(refusal(service.get(&"p".repeat(64)).await).0, Code::NotFound);
    let list = |page_size, page_token: &str| {
        let request = ListPaymentsRequest { page_size, page_token: page_token.to_owned() };
        let mut client = service.client.clone();
        async move { client.list_payments(request).await }
    };
    let cases: [(i32, &str, Fields); 6] = [
        (0, "", &[]),
        (1_000, "", &[]),
        (1_001, "", &[]),
        (-1, "", &["page_size"]),
        (1, "nonsense", &["page_token"]),
        (-1, "?", &["page_size", "page_token"]),
    ];
    for (i, (page_size, token, expected)) in cases.into_iter().enumerate() {
        check_fields(i, list(page_size, token).await, expected);
    }
}

#[tokio::test]
async fn a_request_has_at_most_1_mib() {
    let service = Service::start().await;
    let of_size = |size: usize| {
        let mut request = authorize("", "tok_ok");
        request.order_id = "x".repeat(size - 100);
        let rest = size - request.encoded_len();
        request.order_id = "x".repeat(size - 100 + rest);
        assert_eq!(request.encoded_len(), size);
        request
    };
    // Looked at, and found to have too long an id.
    check_fields(0, service.authorize(of_size(1 << 20)).await, &["order_id"]);
    let status = service.authorize(of_size((1 << 20) + 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("1048576"), "says the limit: {status}");
}
