//! Stock items by themselves.

use super::*;
use crate::domain::stock::MAX_ON_HAND;

fn receive(quantity: i64) -> Command {
    Command::Receive { sku: sku("saw"), quantity }
}

fn adjust(delta: i64, etag: &str) -> Command {
    Command::Adjust { sku: sku("saw"), delta, etag: etag.to_owned() }
}

fn delete(etag: &str) -> Command {
    Command::Delete { sku: sku("saw"), etag: etag.to_owned() }
}

#[test]
fn a_new_item_has_what_is_on_hand() {
    given::<Inventory>([]).when(Command::Create { sku: sku("saw"), on_hand: 7 }).then([becomes(
        "StockItemCreated",
        "saw",
        7,
        0,
    )]);
}

#[test]
fn a_product_becomes_managed_once() {
    given::<Inventory>([item("saw", 1, 0)])
        .when(Command::Create { sku: sku("saw"), on_hand: 7 })
        .then_refused(tributary_chassis::resource::Refusal::AlreadyExists {
            kind: "stock item",
            id: sku("saw"),
        });
}

#[test]
fn what_arrives_is_on_hand() {
    given::<Inventory>([item("saw", 7, 5)]).when(receive(3)).then([becomes("StockReceived", "saw", 10, 5)]);
}

#[test]
fn more_than_the_limit_cannot_be_on_hand() {
    let near = || given::<Inventory>([item("saw", MAX_ON_HAND - 1, 0)]);
    near().when(receive(1)).then([becomes("StockReceived", "saw", MAX_ON_HAND, 0)]);
    near().when(adjust(1, "")).then([becomes("StockAdjusted", "saw", MAX_ON_HAND, 0)]);
    for command in [receive(2), adjust(2, "")] {
        near().when(command).then_refused(Rejection::TooMany { sku: sku("saw"), on_hand: MAX_ON_HAND - 1 });
    }
    // What was put back may be above it, and can be adjusted down.
    given::<Inventory>([item("saw", MAX_ON_HAND + 9, 0)]).when(adjust(-1, "")).then([becomes(
        "StockAdjusted",
        "saw",
        MAX_ON_HAND + 8,
        0,
    )]);
}

#[test]
fn what_is_reserved_stays_on_hand() {
    let some = || given::<Inventory>([item("saw", 7, 5)]);
    some().when(adjust(-2, "1-1")).then([becomes("StockAdjusted", "saw", 5, 5)]);
    for command in [adjust(-3, ""), adjust(-8, ""), delete("1-1")] {
        some().when(command).then_refused(Rejection::Reserved { sku: sku("saw"), reserved: 5 });
    }
    given::<Inventory>([item("saw", 7, 0)])
        .when(adjust(-8, ""))
        .then_refused(Rejection::Reserved { sku: sku("saw"), reserved: 0 });
}

#[test]
fn a_deleted_item_is_gone() {
    given::<Inventory>([item("saw", 7, 0)]).when(delete("")).then([(
        "StockItemDeleted",
        Key::Item(sku("saw")),
        None,
    )]);
}

#[test]
fn a_stale_etag_is_refused() {
    for command in [adjust(1, "2-1"), delete("2-1")] {
        given::<Inventory>([item("saw", 7, 0)]).when(command).then_refused(
            tributary_chassis::resource::Refusal::EtagMismatch {
                kind: "stock item",
                id: sku("saw"),
                etag: "2-1".to_owned(),
            },
        );
    }
}

#[test]
fn what_is_not_managed_cannot_be_counted() {
    for command in [receive(1), adjust(1, ""), delete("")] {
        given::<Inventory>([item("file", 7, 0)]).when(command).then_refused(STOCK_ITEM.not_found("saw"));
    }
}

#[test]
fn amounts_have_bounds() {
    let none: Vec<String> = vec![];
    for on_hand in [0, MAX_ON_HAND] {
        assert_eq!(violated(|v| check_on_hand(on_hand, v)), none, "{on_hand}");
    }
    for on_hand in [-1, MAX_ON_HAND + 1, i64::MIN, i64::MAX] {
        assert_eq!(violated(|v| check_on_hand(on_hand, v)), ["on_hand"], "{on_hand}");
    }
    for quantity in [1, 1_000_000_000] {
        assert_eq!(violated(|v| check_quantity(quantity, v)), none, "{quantity}");
        assert_eq!(violated(|v| check_delta(quantity, v)), none, "{quantity}");
        assert_eq!(violated(|v| check_delta(-quantity, v)), none, "{quantity}");
    }
    for quantity in [0, 1_000_000_001, i64::MAX] {
        assert_eq!(violated(|v| check_quantity(quantity, v)), ["quantity"], "{quantity}");
        assert_eq!(violated(|v| check_delta(quantity, v)), ["delta"], "{quantity}");
        assert_eq!(violated(|v| check_delta(-quantity, v)), ["delta"], "-{quantity}");
    }
    assert_eq!(violated(|v| check_delta(i64::MIN, v)), ["delta"]);
    assert_eq!(violated(|v| check_reason("x", v)), none);
    assert_eq!(violated(|v| check_reason(&"ü".repeat(200), v)), none);
    for reason in [String::new(), " ".to_owned(), "ü".repeat(201)] {
        assert_eq!(violated(|v| check_reason(&reason, v)), ["reason"], "{reason}");
    }
}
