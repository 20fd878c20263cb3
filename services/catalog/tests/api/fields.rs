//! Every field at its limits and beyond them.

use prost_types::FieldMask;
use tributary_chassis::testing::check_fields;

use super::*;

/// Fields that must be refused; none when the call must succeed.
type Fields = &'static [&'static str];

/// What makes a case of a valid request.
type Edit<T> = fn(&mut T);

fn edit(product: &mut Option<Product>) -> &mut Product {
    product.get_or_insert_default()
}

fn price(product: &mut Option<Product>) -> &mut Money {
    edit(product).price.get_or_insert_default()
}

#[tokio::test]
async fn of_create() {
    let service = Service::start().await;
    let cases: Vec<(Edit<CreateProductRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.sku = "s".repeat(64), &[]),
        (|r| r.sku = "s".repeat(65), &["sku"]),
        (|r| r.sku = "a b".to_owned(), &["sku"]),
        (|r| r.product = None, &["product.display_name", "product.category", "product.price.currency_code"]),
        (|r| edit(&mut r.product).sku = "x".to_owned(), &["product.sku"]),
        (|r| edit(&mut r.product).display_name = "ü".repeat(200), &[]),
        (|r| edit(&mut r.product).display_name = "ü".repeat(201), &["product.display_name"]),
        (|r| edit(&mut r.product).display_name = " ".to_owned(), &["product.display_name"]),
        (|r| edit(&mut r.product).category = "C".repeat(64), &[]),
        (|r| edit(&mut r.product).category = "C".repeat(65), &["product.category"]),
        (|r| edit(&mut r.product).category = String::new(), &["product.category"]),
        (|r| edit(&mut r.product).price = None, &["product.price.currency_code"]),
        (|r| price(&mut r.product).currency_code = "EURO".to_owned(), &["product.price.currency_code"]),
        (|r| price(&mut r.product).currency_code = "eur".to_owned(), &["product.price.currency_code"]),
        (|r| price(&mut r.product).currency_code = "EU1".to_owned(), &["product.price.currency_code"]),
        (|r| price(&mut r.product).minor_units = 0, &[]),
        (|r| price(&mut r.product).minor_units = -1, &["product.price.minor_units"]),
        (|r| price(&mut r.product).minor_units = 1_000_000_000_000, &[]),
        (|r| price(&mut r.product).minor_units = 1_000_000_000_001, &["product.price.minor_units"]),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = create("");
        set(&mut request);
        check_fields(i, service.client().create_product(request).await, expected);
    }
    let mut same = create("same");
    edit(&mut same.product).sku = "same".to_owned();
    service.client().create_product(same).await.unwrap();
}

#[tokio::test]
async fn of_update() {
    let service = Service::start().await;
    service.client().create_product(create("teapot")).await.unwrap();
    let mask = |path: &str| Some(FieldMask { paths: vec![path.to_owned()] });
    let cases: Vec<(Edit<UpdateProductRequest>, &str, Fields)> = vec![
        (|_| (), "*", &[]),
        (|r| r.request_id = "?".to_owned(), "*", &["request_id"]),
        (|r| r.product = None, "category", &["product.sku", "product.category"]),
        (|r| edit(&mut r.product).sku = "s".repeat(65), "*", &["product.sku"]),
        (|r| edit(&mut r.product).display_name = "x".repeat(201), "display_name", &["product.display_name"]),
        (|r| edit(&mut r.product).category = "C".repeat(65), "*", &["product.category"]),
        (|r| edit(&mut r.product).price = None, "price", &["product.price.currency_code"]),
        (|r| price(&mut r.product).minor_units = 1_000_000_000_001, "price", &["product.price.minor_units"]),
        // What the mask does not name is not looked at.
        (|r| price(&mut r.product).minor_units = -1, "category", &[]),
        (|_| (), "nonsense", &["update_mask"]),
        (|_| (), "sku", &["update_mask"]),
        (|_| (), "update_time", &["update_mask"]),
        (|_| (), "price.minor_units", &["update_mask"]),
    ];
    for (i, (set, path, expected)) in cases.into_iter().enumerate() {
        let mut request = UpdateProductRequest { update_mask: mask(path), ..update("teapot", teapot()) };
        set(&mut request);
        check_fields(i, service.client().update_product(request).await, expected);
    }
    let request = UpdateProductRequest { update_mask: mask("name"), ..update("teapot", teapot()) };
    let message = service.client().update_product(request).await.unwrap_err().message().to_owned();
    assert!(message.contains("display_name, category, price"), "says what can be written: {message}");
}

#[tokio::test]
async fn of_get_and_delete() {
    let service = Service::start().await;
    for (i, id) in ["", "a b", &"s".repeat(65)].into_iter().enumerate() {
        check_fields(i, service.get(id).await, &["sku"]);
        check_fields(i, service.delete("", id, "").await, &["sku"]);
    }
    assert_eq!(service.get(&"s".repeat(64)).await.unwrap_err().code(), Code::NotFound);
    check_fields(0, service.delete("?", "teapot", "").await, &["request_id"]);
}

#[tokio::test]
async fn an_update_writes_what_its_mask_names() {
    let service = Service::start().await;
    service.client().create_product(create("teapot")).await.unwrap();
    let other =
        Product { display_name: "Saw".to_owned(), category: "TOOLS".to_owned(), ..Product::default() };
    let masked = async |paths: &[&str], price| {
        let update_mask = Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let product = Product { price, ..other.clone() };
        let request = UpdateProductRequest { update_mask, ..update("teapot", product) };
        let Product { display_name, category, price, .. } =
            service.client().update_product(request).await.unwrap().into_inner();
        (display_name, category, price)
    };
    let expected = ("Teapot".to_owned(), "TOOLS".to_owned(), Some(euros(2500)));
    assert_eq!(masked(&["category"], None).await, expected);
    let expected = ("Saw".to_owned(), "TOOLS".to_owned(), Some(euros(1)));
    assert_eq!(masked(&["*"], Some(euros(1))).await, expected);
}
