use tributary_chassis::testing::NOW;

use super::*;
use crate::domain::{OrderLine, Token};

fn order(state: OrderState, payment: Payment) -> Order {
    Order {
        customer_id: "ada".to_owned(),
        state,
        payment,
        confirm_time: None,
        order_time: NOW,
        currency_code: "EUR".to_owned(),
        total_minor_units: 2500,
        lines: vec![OrderLine {
            sku: "teapot".to_owned(),
            display_name: "Teapot".to_owned(),
            category: "KITCHEN".to_owned(),
            quantity: 1,
            unit_price_minor_units: 2500,
        }],
        note: String::new(),
    }
}

fn by_card(state: OrderState) -> Order {
    order(state, Payment::Card(Token("tok_ok".to_owned())))
}

fn on_invoice(state: OrderState) -> Order {
    order(state, Payment::Invoice)
}

fn cancellation(cause: CancelCause, reason: &str) -> Cancellation {
    Cancellation { cause, reason: reason.to_owned() }
}

fn cancelling(shipment_cancelled: bool) -> OrderState {
    OrderState::Cancelling { cancellation: cancellation(CancelCause::Requested, ""), shipment_cancelled }
}

fn confirmed_once(order: Order) -> Order {
    Order { confirm_time: Some(NOW), ..order }
}

fn every_step() -> Vec<Step> {
    vec![
        Step::Reserve,
        Step::Authorize { committed: false },
        Step::Authorize { committed: true },
        Step::Commit,
        Step::Capture,
        Step::Confirm,
        given_up(CancelCause::OutOfStock, ""),
        Step::Void,
        Step::Refund,
        Step::Release,
        Step::Finish,
    ]
}

fn out_of_stock() -> Answer {
    Answer::OutOfStock { skus: "teapot".to_owned() }
}

fn declined() -> Answer {
    Answer::Declined { code: "card_declined".to_owned() }
}

fn every_answer() -> Vec<Answer> {
    vec![
        Answer::Held,
        Answer::Committed,
        out_of_stock(),
        Answer::Released,
        Answer::Authorized,
        declined(),
        Answer::Captured,
        Answer::Voided,
        Answer::Refunded,
    ]
}

fn given_up(cause: CancelCause, reason: &str) -> Step {
    Step::GiveUp(cancellation(cause, reason))
}

/// Exactly these answers lead on, each to the step beside it.
#[track_caller]
fn leads(order: &Order, step: &Step, expected: &[(Answer, Step)]) {
    for answer in every_answer() {
        let then = expected.iter().find(|(known, _)| *known == answer).map(|(_, then)| then.clone());
        assert_eq!(step.next(order, &answer), then, "{step:?}, {answer:?}");
    }
}

fn no_stock() -> Step {
    given_up(CancelCause::OutOfStock, "not enough of teapot")
}

fn used_before() -> Step {
    given_up(CancelCause::IdUsedBefore, "")
}

#[test]
fn forward_with_a_card() {
    let order = by_card(OrderState::Placed);
    leads(
        &order,
        &Step::Reserve,
        &[
            (Answer::Held, Step::Authorize { committed: false }),
            (Answer::Committed, Step::Authorize { committed: true }),
            (out_of_stock(), no_stock()),
            (Answer::Released, used_before()),
        ],
    );
    for (committed, then) in [(false, Step::Commit), (true, Step::Capture)] {
        leads(
            &order,
            &Step::Authorize { committed },
            &[
                (Answer::Authorized, then.clone()),
                (Answer::Captured, then),
                (declined(), given_up(CancelCause::PaymentDeclined, "card_declined")),
                (Answer::Voided, used_before()),
                (Answer::Refunded, used_before()),
            ],
        );
    }
    leads(
        &order,
        &Step::Commit,
        &[
            (Answer::Committed, Step::Capture),
            (out_of_stock(), no_stock()),
            (Answer::Released, used_before()),
        ],
    );
    // Behind the pivot nothing is refused.
    leads(&order, &Step::Capture, &[(Answer::Captured, Step::Confirm)]);
}

#[test]
fn forward_on_invoice() {
    let order = on_invoice(OrderState::Placed);
    let refusals = [(out_of_stock(), no_stock()), (Answer::Released, used_before())];
    let with = |others: &[(Answer, Step)]| [others, &refusals[..]].concat();
    leads(&order, &Step::Reserve, &with(&[(Answer::Held, Step::Commit), (Answer::Committed, Step::Confirm)]));
    leads(&order, &Step::Commit, &with(&[(Answer::Committed, Step::Confirm)]));
}

#[test]
fn backward() {
    let order = by_card(cancelling(false));
    leads(
        &order,
        &Step::Void,
        &[
            (Answer::Voided, Step::Release),
            (declined(), Step::Release),
            (Answer::Captured, Step::Refund),
            (Answer::Refunded, Step::Refund),
        ],
    );
    leads(&order, &Step::Refund, &[(Answer::Refunded, Step::Release)]);
    for order in [order, on_invoice(cancelling(false))] {
        leads(&order, &Step::Release, &[(Answer::Released, Step::Finish)]);
    }
}

#[test]
fn what_an_order_writes_itself_has_no_answer() {
    for step in [Step::Confirm, used_before(), Step::Finish] {
        leads(&by_card(OrderState::Placed), &step, &[]);
    }
}

#[test]
fn each_direction_has_its_first_step() {
    assert_eq!(first(&by_card(OrderState::Placed)), Some(Step::Reserve));
    assert_eq!(first(&on_invoice(OrderState::Placed)), Some(Step::Reserve));
    assert_eq!(first(&by_card(cancelling(false))), Some(Step::Void));
    assert_eq!(first(&on_invoice(cancelling(false))), Some(Step::Release));
    // What was confirmed may be on its way to the door.
    assert_eq!(first(&confirmed_once(by_card(cancelling(false)))), None);
    assert_eq!(first(&confirmed_once(by_card(cancelling(true)))), Some(Step::Void));
    assert_eq!(first(&confirmed_once(on_invoice(cancelling(true)))), Some(Step::Release));
}

#[test]
fn where_there_is_nothing_to_be_done_there_is_no_step() {
    let cancelled = OrderState::Cancelled(cancellation(CancelCause::Requested, ""));
    for state in [OrderState::Confirmed, cancelled, OrderState::Dispatched, OrderState::Delivered] {
        for order in [by_card(state.clone()), on_invoice(state)] {
            assert_eq!(first(&order), None, "{:?}", order.state);
            for step in every_step() {
                assert_eq!(still(&order, step), None);
            }
        }
    }
}

#[test]
fn a_step_stays_as_long_as_the_order_goes_its_way() {
    let (placed, back) = (by_card(OrderState::Placed), by_card(cancelling(false)));
    for step in every_step() {
        let forward = step.direction() == Direction::Forward;
        let kept = Some(step.clone());
        assert_eq!(still(&placed, step.clone()), if forward { kept.clone() } else { Some(Step::Reserve) });
        assert_eq!(still(&back, step), if forward { Some(Step::Void) } else { kept });
    }
}

#[test]
fn a_reason_stays_within_its_bound() {
    let code = "ü".repeat(1_000);
    let step = Step::Authorize { committed: false };
    let then = step.next(&by_card(OrderState::Placed), &Answer::Declined { code });
    assert_eq!(then, Some(given_up(CancelCause::PaymentDeclined, &"ü".repeat(200))));
}

/// From wherever an order is, whatever it is answered, it comes to its end in a bounded number of steps.
#[test]
fn no_way_goes_in_a_circle() {
    for order in
        [OrderState::Placed, cancelling(false)].into_iter().flat_map(|s| [by_card(s.clone()), on_invoice(s)])
    {
        let mut open = vec![(first(&order).unwrap(), 0)];
        while let Some((step, steps)) = open.pop() {
            assert!(steps < 6, "{step:?}");
            let next = every_answer().into_iter().filter_map(|answer| step.next(&order, &answer));
            open.extend(next.map(|next| (next, steps + 1)));
        }
    }
}
