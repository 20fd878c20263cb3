//! What is agreed when an order is placed.

use prost_types::Timestamp;
use shop_proto::catalog::v1::{DeleteProductRequest, UpdateProductRequest};
use tonic_types::StatusExt as _;
use tributary_chassis::{
    position::{POSITION, Positions},
    testing::refused_fields,
};

use super::*;

const WRONG_STATE: (Code, Option<Reason>) = (Code::FailedPrecondition, Some(Reason::WrongState));

#[tokio::test]
async fn name_category_and_price_are_those_of_the_catalog() {
    let shop = Shop::start().await;
    let request =
        PlaceOrderRequest { lines: lines(&[("saw", 3), ("teapot", 2), ("saw", 1)]), ..place("o-1") };
    let order = shop.place(request).await.unwrap();
    let euros = |minor_units| Some(Money { currency_code: "EUR".to_owned(), minor_units });
    assert_eq!(order.total, euros(4 * 1999 + 2 * 2500));
    let brief: Vec<_> =
        order.lines.iter().map(|l| (l.sku.as_str(), l.quantity, l.unit_price.clone())).collect();
    assert_eq!(brief, [("saw", 3, euros(1999)), ("teapot", 2, euros(2500)), ("saw", 1, euros(1999))]);
    assert_eq!(
        (order.lines[1].display_name.as_str(), order.lines[1].category.as_str()),
        ("Name of teapot", "KITCHEN")
    );
}

#[tokio::test]
async fn what_was_agreed_stays() {
    let shop = Shop::start().await;
    let placed = shop.place(place("o-1")).await.unwrap();
    let dearer = Product {
        sku: "teapot".to_owned(),
        display_name: "Pot".to_owned(),
        category: "TOOLS".to_owned(),
        price: Some(Money { currency_code: "USD".to_owned(), minor_units: 1 }),
        ..Product::default()
    };
    let request = UpdateProductRequest { product: Some(dearer), ..UpdateProductRequest::default() };
    shop.catalog.clone().update_product(request).await.unwrap();
    let request = DeleteProductRequest { sku: "saw".to_owned(), ..DeleteProductRequest::default() };
    shop.catalog.clone().delete_product(request).await.unwrap();
    assert_eq!(shop.get("o-1").await.unwrap(), placed);
}

#[tokio::test]
async fn an_order_has_up_to_256_lines_of_any_size() {
    let shop = Shop::start().await;
    let skus: Vec<String> = (0..256).map(|i| format!("{i:064}")).collect();
    for sku in &skus {
        let product = Product {
            display_name: "😀".repeat(200),
            category: "😀".repeat(64),
            price: Some(Money { currency_code: "EUR".to_owned(), minor_units: 1 }),
            ..Product::default()
        };
        let request = CreateProductRequest {
            sku: sku.clone(),
            product: Some(product),
            ..CreateProductRequest::default()
        };
        shop.catalog.clone().create_product(request).await.unwrap();
    }
    let lines = skus.into_iter().map(|sku| Line { sku, quantity: 1_000_000 }).collect();
    let order =
        shop.place(PlaceOrderRequest { lines, note: "😀".repeat(1_000), ..place("o-1") }).await.unwrap();
    assert_eq!(order.lines.len(), 256);
    assert_eq!(order.total.as_ref().map(|total| total.minor_units), Some(256_000_000));
    assert_eq!(shop.get("o-1").await.unwrap(), order);
    let cancelled = shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!(cancelled.lines, order.lines);
}

#[tokio::test]
async fn a_customer_and_products_that_do_not_exist_are_named_by_field() {
    let shop = Shop::start().await;
    let request = PlaceOrderRequest {
        customer_id: "eve".to_owned(),
        lines: lines(&[("teapot", 1), ("sofa", 1), ("chair", 1), ("sofa", 2)]),
        ..place("o-1")
    };
    let status = shop.place(request).await.unwrap_err();
    assert_eq!((status.code(), Reason::of(&status)), WRONG_STATE);
    assert_eq!(
        status.message(),
        "customer_id: customer `eve` does not exist; lines[1].sku: product `sofa` does not exist; \
         lines[2].sku: product `chair` does not exist; lines[3].sku: product `sofa` does not exist"
    );
    assert_eq!(
        status.get_error_details().error_info().unwrap().metadata["fields"],
        "customer_id,lines[1].sku,lines[2].sku,lines[3].sku"
    );
    assert_eq!(refusal(shop.get("o-1").await).0, Code::NotFound);
}

#[tokio::test]
async fn one_order_has_one_currency() {
    let shop = Shop::start().await;
    shop.add_product("sofa", "USD", 100).await;
    let request =
        PlaceOrderRequest { lines: lines(&[("teapot", 1), ("sofa", 1), ("saw", 1)]), ..place("o-1") };
    let status = shop.place(request).await.unwrap_err();
    assert_eq!(
        (status.code(), refused_fields(&status)),
        (Code::InvalidArgument, vec!["lines[1].sku".to_owned()])
    );
    assert!(status.message().contains("USD") && status.message().contains("EUR"), "{status}");
}

#[tokio::test]
async fn a_total_fits_into_64_bits() {
    let shop = Shop::start().await;
    shop.add_product("yacht", "EUR", 1_000_000_000_000).await;
    let yachts = |count| PlaceOrderRequest { lines: lines(&vec![("yacht", 1_000_000); count]), ..place("") };
    let order = shop.place(yachts(9)).await.unwrap();
    assert_eq!(order.total.map(|total| total.minor_units), Some(9_000_000_000_000_000_000));
    let status = shop.place(yachts(10)).await.unwrap_err();
    assert_eq!((status.code(), refused_fields(&status)), (Code::InvalidArgument, vec!["lines".to_owned()]));
}

#[tokio::test]
async fn an_order_taken_elsewhere_keeps_its_time_to_the_microsecond() {
    let shop = Shop::start().await;
    for (given, kept) in [
        (Timestamp { seconds: 1, nanos: 123_456_789 }, Timestamp { seconds: 1, nanos: 123_456_000 }),
        (Timestamp { seconds: -1, nanos: 999_999_999 }, Timestamp { seconds: -1, nanos: 999_999_000 }),
        (Timestamp { seconds: -62_135_596_800, nanos: 0 }, Timestamp { seconds: -62_135_596_800, nanos: 0 }),
    ] {
        let placed = shop.place(PlaceOrderRequest { order_time: Some(given), ..place("") }).await.unwrap();
        assert_eq!(placed.order_time, Some(kept));
        assert_eq!(shop.get(&placed.order_id).await.unwrap(), placed);
    }
    let placed = shop.place(place("")).await.unwrap();
    let seconds = |time: Option<Timestamp>| time.unwrap().seconds;
    assert!((0..=10).contains(&(seconds(placed.create_time) - seconds(placed.order_time))));
}

#[tokio::test]
async fn a_reply_says_what_it_stands_on() {
    let shop = Shop::start().await;
    let position = |response: &Response<Order>| -> Vec<String> {
        let text = response.metadata().get(POSITION).unwrap().to_str().unwrap();
        let positions: Positions = text.parse().unwrap();
        positions.iter().map(|p| format!("{}/{}", p.service, p.sequence)).collect()
    };
    let request = PlaceOrderRequest { request_id: "r-1".to_owned(), ..place("o-1") };
    let first = shop.place_with_metadata(request.clone()).await.unwrap();
    assert_eq!(position(&first), ["catalog/2", "customers/1", "orders/1"]);
    // Those of the first time, whatever happened since.
    shop.add_customer("bob").await;
    shop.place(place("o-2")).await.unwrap();
    let again = shop.place_with_metadata(request).await.unwrap();
    assert_eq!(position(&again), position(&first));
    assert_eq!(again.into_inner(), first.into_inner());
}
