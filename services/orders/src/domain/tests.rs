use tributary_chassis::{
    resource::Refusal,
    testing::{NOW, given},
};

use super::*;

fn placed() -> Order {
    Order {
        customer_id: "ada".to_owned(),
        state: OrderState::Placed,
        order_time: NOW,
        currency_code: "EUR".to_owned(),
        total_minor_units: 5000,
        lines: vec![OrderLine {
            sku: "teapot".to_owned(),
            display_name: "Teapot".to_owned(),
            category: "KITCHEN".to_owned(),
            quantity: 2,
            unit_price_minor_units: 2500,
        }],
        note: "ring twice".to_owned(),
    }
}

fn cancelled() -> Order {
    Order { state: OrderState::Cancelled { reason: "too late".to_owned() }, ..placed() }
}

fn id() -> String {
    "o-1".to_owned()
}

fn place() -> Command {
    Command::Place { order_id: id(), order: placed() }
}

fn annotate(etag: &str, note: &str) -> Command {
    Command::Annotate { order_id: id(), etag: etag.to_owned(), note: note.to_owned() }
}

fn cancel(etag: &str) -> Command {
    Command::Cancel { order_id: id(), etag: etag.to_owned(), reason: "too late".to_owned() }
}

fn delete(etag: &str) -> Command {
    Command::Delete { order_id: id(), etag: etag.to_owned() }
}

#[test]
fn a_new_order_is_placed() {
    given::<Orders>([]).when(place()).then([("OrderPlaced", id(), Some(placed()))]);
}

#[test]
fn an_id_is_given_once() {
    for order in [placed(), cancelled()] {
        given::<Orders>([(id(), order)])
            .when(place())
            .then_refused(Refusal::AlreadyExists { kind: "order", id: id() });
    }
}

#[test]
fn a_note_can_be_written_whatever_the_state() {
    for order in [placed(), cancelled()] {
        let expected = Order { note: "ring once".to_owned(), ..order.clone() };
        given::<Orders>([(id(), order)]).when(annotate("1-1", "ring once")).then([(
            "OrderAnnotated",
            id(),
            Some(expected),
        )]);
    }
}

#[test]
fn the_same_note_again_writes_nothing() {
    given::<Orders>([(id(), placed())]).when(annotate("", "ring twice")).then_nothing();
}

#[test]
fn a_placed_order_is_cancelled() {
    given::<Orders>([(id(), placed())]).when(cancel("")).then([("OrderCancelled", id(), Some(cancelled()))]);
}

#[test]
fn a_cancelled_order_is_not_cancelled_again() {
    given::<Orders>([(id(), cancelled())])
        .when(cancel(""))
        .then_refused(Rejection::AlreadyCancelled { order_id: id() });
}

#[test]
fn a_cancelled_order_can_be_forgotten() {
    given::<Orders>([(id(), cancelled())]).when(delete("1-1")).then([("OrderDeleted", id(), None)]);
}

#[test]
fn a_placed_order_cannot_be_forgotten() {
    given::<Orders>([(id(), placed())])
        .when(delete(""))
        .then_refused(Rejection::NotCancelled { order_id: id() });
}

#[test]
fn a_stale_etag_is_refused() {
    for command in [annotate("1-2", "ring once"), cancel("1-2"), delete("1-2")] {
        given::<Orders>([(id(), placed())]).when(command).then_refused(Refusal::EtagMismatch {
            kind: "order",
            id: id(),
            etag: "1-2".to_owned(),
        });
    }
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    for command in [annotate("", "ring once"), cancel("1-1"), delete("")] {
        given::<Orders>([]).when(command).then_refused(ORDER.not_found("o-1"));
    }
}
