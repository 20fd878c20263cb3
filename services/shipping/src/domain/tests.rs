use tributary_chassis::{
    resource::Refusal,
    testing::{NOW, given},
};

use super::*;

fn id() -> String {
    "o-1".to_owned()
}

fn shipment(progress: Progress) -> Shipment {
    Shipment { customer_id: "ada".to_owned(), progress }
}

fn pending() -> Shipment {
    shipment(Progress::Pending)
}

fn cancelled() -> Shipment {
    shipment(Progress::Cancelled)
}

fn by_mail() -> Dispatch {
    Dispatch { carrier: "DHL".to_owned(), tracking_code: "7".to_owned(), dispatch_time: NOW }
}

fn dispatched() -> Shipment {
    shipment(Progress::Dispatched(by_mail()))
}

fn delivered() -> Shipment {
    shipment(Progress::Delivered { dispatch: by_mail(), deliver_time: NOW })
}

fn prepare() -> Command {
    Command::Prepare { shipment_id: id(), customer_id: "ada".to_owned() }
}

fn withdraw() -> Command {
    Command::Withdraw { shipment_id: id(), customer_id: "ada".to_owned() }
}

fn dispatch(etag: &str) -> Command {
    let (carrier, tracking_code) = ("DHL".to_owned(), "7".to_owned());
    Command::Dispatch { shipment_id: id(), etag: etag.to_owned(), carrier, tracking_code }
}

fn deliver(etag: &str) -> Command {
    Command::Deliver { shipment_id: id(), etag: etag.to_owned() }
}

fn wrong(state: &'static str, needed: &'static str, wanted: &'static str) -> Rejection {
    Rejection::WrongState { shipment_id: id(), state, needed, wanted }
}

#[test]
fn a_confirmed_order_gets_a_shipment() {
    given::<Shipping>([]).when(prepare()).then([("ShipmentPrepared", id(), Some(pending()))]);
}

#[test]
fn a_confirmed_order_gets_one_shipment() {
    for known in [pending(), dispatched(), delivered(), cancelled()] {
        given::<Shipping>([(id(), known)]).when(prepare()).then_nothing();
    }
}

#[test]
fn a_cancelled_order_keeps_its_shipment_in_the_house() {
    given::<Shipping>([(id(), pending())]).when(withdraw()).then([(
        "ShipmentCancelled",
        id(),
        Some(cancelled()),
    )]);
}

/// The two states of an order may come as one.
#[test]
fn a_cancelled_order_without_a_shipment_gets_none_any_more() {
    given::<Shipping>([]).when(withdraw()).then([("ShipmentCancelled", id(), Some(cancelled()))]);
    given::<Shipping>([(id(), cancelled())]).when(prepare()).then_nothing();
}

#[test]
fn what_has_left_the_house_is_not_called_back() {
    for known in [dispatched(), delivered(), cancelled()] {
        given::<Shipping>([(id(), known)]).when(withdraw()).then_nothing();
    }
}

#[test]
fn a_pending_shipment_is_dispatched() {
    for etag in ["", "1-1"] {
        given::<Shipping>([(id(), pending())]).when(dispatch(etag)).then([(
            "ShipmentDispatched",
            id(),
            Some(dispatched()),
        )]);
    }
}

#[test]
fn only_a_pending_shipment_is_dispatched() {
    for (known, state) in
        [(dispatched(), "DISPATCHED"), (delivered(), "DELIVERED"), (cancelled(), "CANCELLED")]
    {
        given::<Shipping>([(id(), known)]).when(dispatch("")).then_refused(wrong(
            state,
            "PENDING",
            "dispatched",
        ));
    }
}

#[test]
fn a_dispatched_shipment_is_delivered() {
    for etag in ["", "1-1"] {
        given::<Shipping>([(id(), dispatched())]).when(deliver(etag)).then([(
            "ShipmentDelivered",
            id(),
            Some(delivered()),
        )]);
    }
}

#[test]
fn only_a_dispatched_shipment_is_delivered() {
    for (known, state) in [(pending(), "PENDING"), (delivered(), "DELIVERED"), (cancelled(), "CANCELLED")] {
        given::<Shipping>([(id(), known)]).when(deliver("")).then_refused(wrong(
            state,
            "DISPATCHED",
            "delivered",
        ));
    }
}

#[test]
fn what_does_not_exist_goes_nowhere() {
    for command in [dispatch(""), deliver("1-1")] {
        given::<Shipping>([]).when(command).then_refused(SHIPMENT.not_found(id()));
    }
}

#[test]
fn a_stale_etag_is_refused_before_the_state() {
    for (known, command) in
        [(pending(), dispatch("1-2")), (dispatched(), deliver("2-1")), (cancelled(), dispatch("x"))]
    {
        let (Command::Dispatch { etag, .. } | Command::Deliver { etag, .. }) = command.clone() else {
            unreachable!("only these have one")
        };
        given::<Shipping>([(id(), known)]).when(command).then_refused(Refusal::EtagMismatch {
            kind: "shipment",
            id: id(),
            etag,
        });
    }
}
