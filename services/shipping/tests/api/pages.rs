//! Lists, page by page.

use shop_proto::shipping::v1::{ListShipmentsRequest, ListShipmentsResponse};
use tributary_chassis::testing::refused_fields;

use super::*;

async fn list(service: &Service, page_size: i32, page_token: &str) -> Result<ListShipmentsResponse, Status> {
    let request = ListShipmentsRequest { page_size, page_token: page_token.to_owned() };
    Ok(service.client.clone().list_shipments(request).await?.into_inner())
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let (service, orders) = with_shipments(&[]).await;
    assert_eq!(list(&service, 0, "").await.unwrap(), ListShipmentsResponse::default());
    for i in [4, 0, 6, 2, 1, 5, 3] {
        let id = format!("s-{i}");
        publish(&orders, &order(&id, OrderState::Confirmed));
        service.until(&id, ShipmentState::Pending).await;
    }
    let expected: Vec<String> = (0..7).map(|i| format!("s-{i}")).collect();
    for page_size in 1..=8 {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(&service, page_size, &token).await.unwrap();
            assert!(page.shipments.len() <= page_size as usize);
            ids.extend(page.shipments.into_iter().map(|shipment| shipment.shipment_id));
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
    let ids: Vec<String> = (0..1_002).map(|i| format!("s-{i:04}")).collect();
    let (service, _orders) = with_shipments(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (page_size, expected) in [(0, 50), (1, 1), (999, 999), (1000, 1000), (1001, 1000), (i32::MAX, 1000)] {
        let page = list(&service, page_size, "").await.unwrap();
        assert_eq!(page.shipments.len(), expected, "{page_size}");
        assert!(!page.next_page_token.is_empty(), "{page_size}");
    }
}

#[tokio::test]
async fn pages_go_on_behind_what_has_come() {
    let (service, orders) = with_shipments(&["b", "d"]).await;
    let page = list(&service, 1, "").await.unwrap();
    for id in ["a", "c"] {
        publish(&orders, &order(id, OrderState::Confirmed));
        service.until(id, ShipmentState::Pending).await;
    }
    let page = list(&service, 1, &page.next_page_token).await.unwrap();
    assert_eq!(page.shipments[0].shipment_id, "c");
}

#[tokio::test]
async fn sizes_and_tokens_are_checked() {
    let (service, _orders) = with_shipments(&[]).await;
    for (page_size, token, expected) in [
        (-1, "", &["page_size"][..]),
        (i32::MIN, "", &["page_size"]),
        (1, "nonsense", &["page_token"]),
        (-1, "?", &["page_size", "page_token"]),
    ] {
        let status = list(&service, page_size, token).await.unwrap_err();
        assert_eq!((status.code(), refused_fields(&status)), (Code::InvalidArgument, strings(expected)));
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
