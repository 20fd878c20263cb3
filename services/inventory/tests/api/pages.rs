//! Lists, page by page.

use shop_proto::inventory::v1::{ListStockItemsRequest, ListStockItemsResponse};
use tributary_chassis::testing::refused_fields;

use super::*;

async fn list(service: &Service, page_size: i32, page_token: &str) -> Result<ListStockItemsResponse, Status> {
    let request = ListStockItemsRequest { page_size, page_token: page_token.to_owned() };
    Ok(service.client.clone().list_stock_items(request).await?.into_inner())
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let service = Service::start().await;
    assert_eq!(list(&service, 0, "").await.unwrap(), ListStockItemsResponse::default());
    for i in [4, 0, 6, 2, 1, 5, 3] {
        service.create(create(&format!("c-{i}"), 1)).await.unwrap();
    }
    let expected: Vec<String> = (0..7).map(|i| format!("c-{i}")).collect();
    for page_size in 1..=8 {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(&service, page_size, &token).await.unwrap();
            assert!(page.stock_items.len() <= page_size as usize);
            ids.extend(page.stock_items.into_iter().map(|item| item.sku));
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
    for i in 0..120 {
        service.create(create(&format!("c-{i:03}"), 1)).await.unwrap();
    }
    for (page_size, expected) in [(0, 50), (119, 119), (120, 120), (1000, 120), (1001, 120), (i32::MAX, 120)]
    {
        let page = list(&service, page_size, "").await.unwrap();
        assert_eq!(page.stock_items.len(), expected, "{page_size}");
        assert_eq!(page.next_page_token.is_empty(), expected == 120, "{page_size}");
    }
}

#[tokio::test]
async fn pages_go_on_behind_what_was_deleted() {
    let service = Service::start().await;
    for id in ["a", "b", "c"] {
        service.create(create(id, 1)).await.unwrap();
    }
    let page = list(&service, 1, "").await.unwrap();
    service.delete(delete("a", "")).await.unwrap();
    service.create(create("0", 1)).await.unwrap();
    let page = list(&service, 1, &page.next_page_token).await.unwrap();
    assert_eq!(page.stock_items[0].sku, "b");
}

#[tokio::test]
async fn sizes_and_tokens_are_checked() {
    let service = Service::start().await;
    for (page_size, token, expected) in [
        (-1, "", &["page_size"][..]),
        (i32::MIN, "", &["page_size"]),
        (1, "nonsense", &["page_token"]),
        (-1, "?", &["page_size", "page_token"]),
    ] {
        let status = list(&service, page_size, token).await.unwrap_err();
        assert_eq!(
            (status.code(), refused_fields(&status).as_slice()),
            (Code::InvalidArgument, &*strings(expected))
        );
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
