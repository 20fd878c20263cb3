//! Lists, page by page.

use shop_proto::inventory::v1::ListStockItemsRequest;
use tributary_chassis::testing::pages::{self, IdsOfPage};

use super::*;

async fn list(service: &Service, page_size: i32, page_token: String) -> IdsOfPage {
    let page = service
        .client
        .clone()
        .list_stock_items(ListStockItemsRequest { page_size, page_token })
        .await?
        .into_inner();
    Ok((page.stock_items.into_iter().map(|item| item.sku).collect(), page.next_page_token))
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let service = Service::start().await;
    pages::every_page_size_gives(&[], async |size, token| list(&service, size, token).await).await;
    for i in [4, 0, 6, 2, 1, 5, 3] {
        service.create(create(&format!("c-{i}"), 1)).await.unwrap();
    }
    let expected: Vec<String> = (0..7).map(|i| format!("c-{i}")).collect();
    pages::every_page_size_gives(&expected, async |size, token| list(&service, size, token).await).await;
}

#[tokio::test]
async fn sizes_have_a_default_and_a_most() {
    let service = Service::start().await;
    for i in 0..120 {
        service.create(create(&format!("c-{i:03}"), 1)).await.unwrap();
    }
    pages::sizes_have_a_default_and_a_most(120, async |size, token| list(&service, size, token).await).await;
}

#[tokio::test]
async fn pages_go_on_behind_what_was_deleted() {
    let service = Service::start().await;
    for id in ["a", "b", "c"] {
        service.create(create(id, 1)).await.unwrap();
    }
    let (_, next) = list(&service, 1, String::new()).await.unwrap();
    service.delete(delete("a", "")).await.unwrap();
    service.create(create("0", 1)).await.unwrap();
    assert_eq!(list(&service, 1, next).await.unwrap().0, ["b"]);
}

#[tokio::test]
async fn sizes_and_tokens_are_checked() {
    let service = Service::start().await;
    pages::sizes_and_tokens_are_checked(async |size, token| list(&service, size, token).await).await;
}
