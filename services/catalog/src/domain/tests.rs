use tributary_chassis::testing::{given, violated};

use super::*;

fn teapot() -> Product {
    Product { display_name: "Teapot".to_owned(), category: "KITCHEN".to_owned(), price: euros(2500) }
}

fn euros(minor_units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), minor_units }
}

fn sku() -> String {
    "teapot".to_owned()
}

fn create() -> Command {
    Command::Create { id: sku(), state: teapot() }
}

fn update(etag: &str, changes: Changes) -> Command {
    Command::Update { id: sku(), etag: etag.to_owned(), changes }
}

fn delete(etag: &str) -> Command {
    Command::Delete { id: sku(), etag: etag.to_owned() }
}

fn priced(minor_units: i64) -> Changes {
    Changes { price: Some(euros(minor_units)), ..Changes::default() }
}

#[test]
fn a_new_product_is_created() {
    given::<Catalog>([]).when(create()).then([("ProductCreated", sku(), Some(teapot()))]);
}

#[test]
fn a_sku_is_given_once() {
    given::<Catalog>([(sku(), teapot())])
        .when(create())
        .then_refused(Rejection::AlreadyExists { kind: "product", id: sku() });
}

#[test]
fn an_update_writes_what_it_names() {
    for etag in ["", "1-1"] {
        given::<Catalog>([(sku(), teapot())]).when(update(etag, priced(1999))).then([(
            "ProductUpdated",
            sku(),
            Some(Product { price: euros(1999), ..teapot() }),
        )]);
    }
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    for changes in [priced(2500), Changes::default()] {
        given::<Catalog>([(sku(), teapot())]).when(update("1-1", changes)).then_nothing();
    }
}

#[test]
fn a_deleted_product_is_gone() {
    given::<Catalog>([(sku(), teapot())]).when(delete("1-1")).then([("ProductDeleted", sku(), None)]);
}

#[test]
fn a_stale_etag_is_refused() {
    for command in [update("2-1", priced(1999)), delete("2-1")] {
        given::<Catalog>([(sku(), teapot())]).when(command).then_refused(Rejection::EtagMismatch {
            kind: "product",
            id: sku(),
            etag: "2-1".to_owned(),
        });
    }
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    for command in [update("", priced(1999)), delete("1-1")] {
        given::<Catalog>([]).when(command).then_refused(PRODUCT.not_found("teapot"));
    }
}

/// The fields that are refused when `set` has changed the valid product.
fn refused(set: impl FnOnce(&mut Product)) -> Vec<String> {
    let mut product = teapot();
    set(&mut product);
    let Product { display_name, category, price } = product;
    let changes = Changes { display_name: Some(display_name), category: Some(category), price: Some(price) };
    violated(|violations| changes.check(violations))
}

#[test]
fn texts_have_bounds() {
    let none: Vec<String> = vec![];
    assert_eq!(refused(|_| ()), none);
    assert_eq!(refused(|p| p.display_name = "ü".repeat(200)), none);
    assert_eq!(refused(|p| p.display_name = "ü".repeat(201)), ["product.display_name"]);
    assert_eq!(refused(|p| p.display_name.clear()), ["product.display_name"]);
    assert_eq!(refused(|p| p.category = "C".repeat(64)), none);
    assert_eq!(refused(|p| p.category = "C".repeat(65)), ["product.category"]);
    assert_eq!(refused(|p| p.category.clear()), ["product.category"]);
}

#[test]
fn a_price_has_bounds_and_a_currency() {
    for minor_units in [0, 1_000_000_000_000] {
        assert!(refused(|p| p.price = euros(minor_units)).is_empty(), "{minor_units}");
    }
    for minor_units in [-1, 1_000_000_000_001, i64::MIN, i64::MAX] {
        assert_eq!(refused(|p| p.price = euros(minor_units)), ["product.price.minor_units"], "{minor_units}");
    }
    for code in ["", "EU", "EURO", "eur", "E1R", "€"] {
        assert_eq!(
            refused(|p| p.price.currency_code = code.to_owned()),
            ["product.price.currency_code"],
            "{code}"
        );
    }
}
