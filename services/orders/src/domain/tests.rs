use time::Duration;
use tributary_chassis::{
    resource::Refusal,
    testing::{NOW, given},
};

use super::*;

fn placed() -> Order {
    Order {
        customer_id: "ada".to_owned(),
        state: OrderState::Placed,
        payment: Payment::Card(Token("tok_ok".to_owned())),
        confirm_time: None,
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

fn earlier(state: OrderState) -> Order {
    Order { state, confirm_time: Some(NOW - Duration::days(1)), ..placed() }
}

fn requested() -> Cancellation {
    Cancellation { cause: CancelCause::Requested, reason: "too late".to_owned() }
}

fn out_of_stock() -> Cancellation {
    Cancellation { cause: CancelCause::OutOfStock, reason: "not enough of teapot".to_owned() }
}

fn cancelling(cancellation: Cancellation, shipment_cancelled: bool) -> OrderState {
    OrderState::Cancelling { cancellation, shipment_cancelled }
}

/// Every state that an order can be in, with what makes a difference beside it.
fn every_order() -> Vec<(&'static str, Order)> {
    vec![
        ("placed", placed()),
        ("confirmed", earlier(OrderState::Confirmed)),
        ("cancelling", Order { state: cancelling(requested(), false), ..placed() }),
        ("awaiting its shipment", earlier(cancelling(requested(), false))),
        ("not to be shipped", earlier(cancelling(requested(), true))),
        ("cancelled", Order { state: OrderState::Cancelled(requested()), ..placed() }),
        ("cancelled after all", earlier(OrderState::Cancelled(requested()))),
        ("dispatched", earlier(OrderState::Dispatched)),
        ("delivered", earlier(OrderState::Delivered)),
    ]
}

fn order(name: &str) -> Order {
    every_order().into_iter().find(|(known, _)| *known == name).map(|(_, order)| order).unwrap()
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

fn confirm() -> Command {
    Command::Confirm { order_id: id() }
}

fn give_up() -> Command {
    Command::GiveUp { order_id: id(), cancellation: out_of_stock() }
}

fn finish() -> Command {
    Command::Finish { order_id: id() }
}

fn ship(shipment: Shipment) -> Command {
    Command::Ship { order_id: id(), shipment }
}

/// In the states named the command makes `event` and the state beside the name; in all others `otherwise`.
#[track_caller]
fn moves(
    command: &Command,
    event: &'static str,
    becomes: &[(&str, OrderState)],
    otherwise: impl Fn(&Order) -> Option<Rejection>,
) {
    for (name, order) in every_order() {
        let decided = given::<Orders>([(id(), order.clone())]).when(command.clone());
        match (becomes.iter().find(|(known, _)| *known == name), otherwise(&order)) {
            (Some((_, state)), _) => {
                let confirm_time =
                    if *state == OrderState::Confirmed { Some(NOW) } else { order.confirm_time };
                let expected = Order { state: state.clone(), confirm_time, ..order };
                decided.then([(event, id(), Some(expected))]);
            }
            (None, Some(rejection)) => decided.then_refused(rejection),
            (None, None) => decided.then_nothing(),
        }
    }
    for (name, _) in becomes {
        order(name);
    }
}

fn moved_on(order: &Order) -> Option<Rejection> {
    Some(Rejection::MovedOn { order_id: id(), state: order.state.name() })
}

fn nothing(_: &Order) -> Option<Rejection> {
    None
}

#[test]
fn a_new_order_is_placed() {
    given::<Orders>([]).when(place()).then([("OrderPlaced", id(), Some(placed()))]);
}

#[test]
fn an_id_is_given_once() {
    for (_, order) in every_order() {
        given::<Orders>([(id(), order)])
            .when(place())
            .then_refused(Refusal::AlreadyExists { kind: "order", id: id() });
    }
}

#[test]
fn a_note_can_be_written_whatever_the_state() {
    for (_, order) in every_order() {
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

/// (Placed | Confirmed) => Cancelling
#[test]
fn what_is_placed_or_confirmed_can_be_cancelled() {
    let state = cancelling(requested(), false);
    moves(&cancel(""), "OrderCancelling", &[("placed", state.clone()), ("confirmed", state)], |order| {
        Some(Rejection::TooLateToCancel { order_id: id(), state: order.state.name() })
    });
}

/// Placed => Confirmed
#[test]
fn what_is_placed_can_be_confirmed() {
    moves(&confirm(), "OrderConfirmed", &[("placed", OrderState::Confirmed)], moved_on);
}

/// Placed => Cancelling
#[test]
fn what_is_placed_can_be_given_up() {
    moves(&give_up(), "OrderCancelling", &[("placed", cancelling(out_of_stock(), false))], moved_on);
}

/// Cancelling => Cancelled, unless a shipment may still leave
#[test]
fn what_is_undone_is_cancelled() {
    let cancelled = OrderState::Cancelled(requested());
    moves(
        &finish(),
        "OrderCancelled",
        &[("cancelling", cancelled.clone()), ("not to be shipped", cancelled)],
        moved_on,
    );
}

/// (Confirmed | Cancelling) => Dispatched: the cancellation came too late, and is forgotten
#[test]
fn what_has_a_shipment_can_be_dispatched() {
    moves(
        &ship(Shipment::Dispatched),
        "OrderDispatched",
        &[("confirmed", OrderState::Dispatched), ("awaiting its shipment", OrderState::Dispatched)],
        nothing,
    );
}

/// (Confirmed | Cancelling | Dispatched) => Delivered
#[test]
fn what_has_a_shipment_can_be_delivered() {
    moves(
        &ship(Shipment::Delivered),
        "OrderDelivered",
        &[
            ("confirmed", OrderState::Delivered),
            ("awaiting its shipment", OrderState::Delivered),
            ("dispatched", OrderState::Delivered),
        ],
        nothing,
    );
}

/// Cancelling => Cancelling, without a shipment
#[test]
fn a_shipment_that_is_cancelled_lets_the_order_go_back() {
    moves(
        &ship(Shipment::Cancelled),
        "OrderShipmentCancelled",
        &[("awaiting its shipment", cancelling(requested(), true))],
        nothing,
    );
}

#[test]
fn the_shipment_of_an_order_that_is_forgotten_changes_nothing() {
    for shipment in [Shipment::Cancelled, Shipment::Dispatched, Shipment::Delivered] {
        given::<Orders>([]).when(ship(shipment)).then_nothing();
    }
}

#[test]
fn only_a_cancelled_order_can_be_forgotten() {
    for (name, order) in every_order() {
        let decided = given::<Orders>([(id(), order)]).when(delete("1-1"));
        match name {
            "cancelled" | "cancelled after all" => decided.then([("OrderDeleted", id(), None)]),
            _ => decided.then_refused(Rejection::NotCancelled { order_id: id() }),
        }
    }
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
    for command in [annotate("", "ring once"), cancel("1-1"), delete(""), confirm(), give_up(), finish()] {
        given::<Orders>([]).when(command).then_refused(ORDER.not_found("o-1"));
    }
}

#[test]
fn states_that_nothing_follows_are_final() {
    let last = |name: &str| order(name).state.is_final();
    assert!(["cancelled", "cancelled after all", "delivered"].into_iter().all(last));
    let not_last = ["placed", "confirmed", "cancelling", "awaiting its shipment", "dispatched"];
    assert!(not_last.into_iter().all(|name| !last(name)));
}
