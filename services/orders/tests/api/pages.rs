//! Lists, page by page.

use shop_proto::orders::v1::ListOrdersRequest;
use tributary_chassis::testing::pages::{self, IdsOfPage};

use super::*;

async fn list(shop: &Shop, page_size: i32, page_token: String) -> IdsOfPage {
    let page =
        shop.orders.clone().list_orders(ListOrdersRequest { page_size, page_token }).await?.into_inner();
    Ok((page.orders.into_iter().map(|item| item.order_id).collect(), page.next_page_token))
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let shop = Shop::start().await;
    pages::every_page_size_gives(&[], async |size, token| list(&shop, size, token).await).await;
    for i in [4, 0, 6, 2, 1, 5, 3] {
        shop.place(place(&format!("o-{i}"))).await.unwrap();
    }
    let expected: Vec<String> = (0..7).map(|i| format!("o-{i}")).collect();
    pages::every_page_size_gives(&expected, async |size, token| list(&shop, size, token).await).await;
}

#[tokio::test]
async fn sizes_have_a_default_and_a_most() {
    let shop = Shop::start().await;
    for i in 0..120 {
        shop.place(place(&format!("o-{i:03}"))).await.unwrap();
    }
    pages::sizes_have_a_default_and_a_most(120, async |size, token| list(&shop, size, token).await).await;
}

#[tokio::test]
async fn pages_go_on_behind_what_was_deleted() {
    let shop = Shop::start().await;
    for id in ["a", "b", "c"] {
        shop.place(place(id)).await.unwrap();
    }
    let (_, next) = list(&shop, 1, String::new()).await.unwrap();
    shop.cancelled("a").await;
    shop.delete(delete("a")).await.unwrap();
    shop.place(place("0")).await.unwrap();
    assert_eq!(list(&shop, 1, next).await.unwrap().0, ["b"]);
}

/// 1,000 orders of 256 lines do not fit into one message; a page ends before it is too large.
#[tokio::test]
async fn a_page_of_large_orders_is_shorter() {
    let shop = Shop::start().await;
    let product = Product {
        display_name: "😀".repeat(200),
        category: "😀".repeat(64),
        price: Some(Money { currency_code: "EUR".to_owned(), minor_units: 1 }),
        ..Product::default()
    };
    let request =
        CreateProductRequest { sku: "sofa".to_owned(), product: Some(product), ..Default::default() };
    shop.catalog.clone().create_product(request).await.unwrap();
    for i in 0..20 {
        let lines = lines(&[("sofa", 1); 256]);
        shop.place(PlaceOrderRequest { lines, ..place(&format!("o-{i:02}")) }).await.unwrap();
    }
    let (mut ids, mut count, mut token) = (Vec::new(), 0, String::new());
    loop {
        let (page, next) = list(&shop, 1000, token).await.unwrap();
        ids.extend(page);
        (count, token) = (count + 1, next);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, (0..20).map(|i| format!("o-{i:02}")).collect::<Vec<_>>());
    assert!((4..=10).contains(&count), "{count} pages of at least 1 MiB");
}

#[tokio::test]
async fn sizes_and_tokens_are_checked() {
    let shop = Shop::start().await;
    pages::sizes_and_tokens_are_checked(async |size, token| list(&shop, size, token).await).await;
}
