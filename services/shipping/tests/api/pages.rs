//! Lists, page by page.

use shop_proto::shipping::v1::ListShipmentsRequest;
use tributary_chassis::testing::pages::{self, IdsOfPage};

use super::*;

async fn list(service: &Service, page_size: i32, page_token: String) -> IdsOfPage {
    let page = service
        .client
        .clone()
        .list_shipments(ListShipmentsRequest { page_size, page_token })
        .await?
        .into_inner();
    Ok((page.shipments.into_iter().map(|item| item.shipment_id).collect(), page.next_page_token))
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let (service, orders) = with_shipments(&[]).await;
    pages::every_page_size_gives(&[], async |size, token| list(&service, size, token).await).await;
    for i in [4, 0, 6, 2, 1, 5, 3] {
        let id = format!("s-{i}");
        publish(&orders, &order(&id, OrderState::Confirmed));
        service.until(&id, ShipmentState::Pending).await;
    }
    let expected: Vec<String> = (0..7).map(|i| format!("s-{i}")).collect();
    pages::every_page_size_gives(&expected, async |size, token| list(&service, size, token).await).await;
}

#[tokio::test]
async fn sizes_have_a_default_and_a_most() {
    let ids: Vec<String> = (0..1_002).map(|i| format!("s-{i:04}")).collect();
    let (service, _orders) = with_shipments(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    pages::sizes_have_a_default_and_a_most(1_002, async |size, token| list(&service, size, token).await)
        .await;
}

#[tokio::test]
async fn pages_go_on_behind_what_has_come() {
    let (service, orders) = with_shipments(&["b", "d"]).await;
    let (_, next) = list(&service, 1, String::new()).await.unwrap();
    for id in ["a", "c"] {
        publish(&orders, &order(id, OrderState::Confirmed));
        service.until(id, ShipmentState::Pending).await;
    }
    assert_eq!(list(&service, 1, next).await.unwrap().0, ["c"]);
}

#[tokio::test]
async fn sizes_and_tokens_are_checked() {
    let (service, _orders) = with_shipments(&[]).await;
    pages::sizes_and_tokens_are_checked(async |size, token| list(&service, size, token).await).await;
}
