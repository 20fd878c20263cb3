//! Lists, page by page.

use shop_proto::payments::v1::ListPaymentsRequest;
use tributary_chassis::testing::pages::{self, IdsOfPage};

use super::*;

async fn list(service: &Service, page_size: i32, page_token: String) -> IdsOfPage {
    let page = service
        .client
        .clone()
        .list_payments(ListPaymentsRequest { page_size, page_token })
        .await?
        .into_inner();
    Ok((page.payments.into_iter().map(|item| item.payment_id).collect(), page.next_page_token))
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let service = Service::start().await;
    pages::every_page_size_gives(&[], async |size, token| list(&service, size, token).await).await;
    for i in [4, 0, 6, 2, 1, 5, 3] {
        // What was voided before it was authorized is listed, too.
        let operation = if i % 2 == 0 { "authorize" } else { "void" };
        service.call(operation, &format!("p-{i}")).await.unwrap();
    }
    let expected: Vec<String> = (0..7).map(|i| format!("p-{i}")).collect();
    pages::every_page_size_gives(&expected, async |size, token| list(&service, size, token).await).await;
    let all = service.client.clone().list_payments(ListPaymentsRequest::default()).await.unwrap();
    for payment in all.into_inner().payments {
        assert_eq!(service.get(&payment.payment_id).await.unwrap(), payment);
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
    pages::sizes_have_a_default_and_a_most(60, async |size, token| list(&service, size, token).await).await;
}

#[tokio::test]
async fn pages_go_on_behind_what_came_meanwhile() {
    let service = Service::start().await;
    for id in ["a", "b", "c"] {
        service.call("authorize", id).await.unwrap();
    }
    let (_, next) = list(&service, 1, String::new()).await.unwrap();
    service.call("authorize", "0").await.unwrap();
    assert_eq!(list(&service, 1, next).await.unwrap().0, ["b"]);
}

#[tokio::test]
async fn sizes_and_tokens_are_checked() {
    let service = Service::start().await;
    pages::sizes_and_tokens_are_checked(async |size, token| list(&service, size, token).await).await;
}
