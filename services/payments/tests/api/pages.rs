//! Lists, page by page.

use shop_proto::payments::v1::{ListPaymentsRequest, ListPaymentsResponse};

use super::*;

async fn list(service: &Service, page_size: i32, page_token: &str) -> ListPaymentsResponse {
    let request = ListPaymentsRequest { page_size, page_token: page_token.to_owned() };
    service.client.clone().list_payments(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let service = Service::start().await;
    assert_eq!(list(&service, 0, "").await, ListPaymentsResponse::default());
    for i in [4, 0, 6, 2, 1, 5, 3] {
        // What was voided before it was authorized is listed, too.
        let operation = if i % 2 == 0 { "authorize" } else { "void" };
        service.call(operation, &format!("p-{i}")).await.unwrap();
    }
    let expected: Vec<String> = (0..7).map(|i| format!("p-{i}")).collect();
    for page_size in 1..=8 {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(&service, page_size, &token).await;
            assert!(page.payments.len() <= page_size as usize);
            for payment in page.payments {
                assert_eq!(service.get(&payment.payment_id).await.unwrap(), payment);
                ids.push(payment.payment_id);
            }
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(ids, expected, "pages of {page_size}");
    }
}

#[tokio::test]
async fn sizes_have_a_default_and_a_most() {
    let service = Service::start().await;
    let calls = (0..60).map(|i| {
        let (mut client, request) = (service.client.clone(), authorize(&format!("p-{i:03}"), "tok_ok"));
        tokio::spawn(async move { client.authorize(request).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    for (page_size, expected) in [(0, 50), (59, 59), (60, 60), (1_000, 60), (1_001, 60), (i32::MAX, 60)] {
        let page = list(&service, page_size, "").await;
        assert_eq!(page.payments.len(), expected, "{page_size}");
        assert_eq!(page.next_page_token.is_empty(), expected == 60, "{page_size}");
    }
}

#[tokio::test]
async fn pages_go_on_behind_what_came_meanwhile() {
    let service = Service::start().await;
    for id in ["a", "b", "c"] {
        service.call("authorize", id).await.unwrap();
    }
    let page = list(&service, 1, "").await;
    service.call("authorize", "0").await.unwrap();
    let page = list(&service, 1, &page.next_page_token).await;
    assert_eq!(page.payments[0].payment_id, "b");
}
