//! Lists, page by page.

use shop_proto::orders::v1::{ListOrdersRequest, ListOrdersResponse};
use tributary_chassis::testing::refused_fields;

use super::*;

async fn list(shop: &Shop, page_size: i32, page_token: &str) -> Result<ListOrdersResponse, Status> {
    let request = ListOrdersRequest { page_size, page_token: page_token.to_owned() };
    Ok(shop.orders.clone().list_orders(request).await?.into_inner())
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let shop = Shop::start().await;
    assert_eq!(list(&shop, 0, "").await.unwrap(), ListOrdersResponse::default());
    for i in [4, 0, 6, 2, 1, 5, 3] {
        shop.place(place(&format!("o-{i}"))).await.unwrap();
    }
    let expected: Vec<String> = (0..7).map(|i| format!("o-{i}")).collect();
    for page_size in 1..=8 {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(&shop, page_size, &token).await.unwrap();
            assert!(page.orders.len() <= page_size as usize);
            ids.extend(page.orders.into_iter().map(|order| order.order_id));
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
    let shop = Shop::start().await;
    for i in 0..120 {
        shop.place(place(&format!("o-{i:03}"))).await.unwrap();
    }
    for (page_size, expected) in [(0, 50), (119, 119), (120, 120), (1000, 120), (1001, 120), (i32::MAX, 120)]
    {
        let page = list(&shop, page_size, "").await.unwrap();
        assert_eq!(page.orders.len(), expected, "{page_size}");
        assert_eq!(page.next_page_token.is_empty(), expected == 120, "{page_size}");
    }
}

#[tokio::test]
async fn pages_go_on_behind_what_was_deleted() {
    let shop = Shop::start().await;
    for id in ["a", "b", "c"] {
        shop.place(place(id)).await.unwrap();
    }
    let page = list(&shop, 1, "").await.unwrap();
    shop.cancelled("a").await;
    shop.delete(delete("a")).await.unwrap();
    shop.place(place("0")).await.unwrap();
    let page = list(&shop, 1, &page.next_page_token).await.unwrap();
    assert_eq!(page.orders[0].order_id, "b");
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
    let (mut ids, mut pages, mut token) = (Vec::new(), 0, String::new());
    loop {
        let page = list(&shop, 1000, &token).await.unwrap();
        ids.extend(page.orders.into_iter().map(|order| order.order_id));
        (pages, token) = (pages + 1, page.next_page_token);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, (0..20).map(|i| format!("o-{i:02}")).collect::<Vec<_>>());
    assert!((4..=10).contains(&pages), "{pages} pages of at least 1 MiB");
}

#[tokio::test]
async fn sizes_and_tokens_are_checked() {
    let shop = Shop::start().await;
    for (page_size, token, expected) in [
        (-1, "", &["page_size"][..]),
        (i32::MIN, "", &["page_size"]),
        (1, "nonsense", &["page_token"]),
        (-1, "?", &["page_size", "page_token"]),
    ] {
        let status = list(&shop, page_size, token).await.unwrap_err();
        assert_eq!(
            (status.code(), refused_fields(&status).as_slice()),
            (Code::InvalidArgument, &*strings(expected))
        );
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
