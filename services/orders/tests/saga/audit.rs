//! What must hold when everything is over, whatever has happened.

use std::collections::{BTreeMap, BTreeSet};

use shop_proto::{
    inventory::v1::ReservationState,
    orders::v1::{CancelCause, OrderState},
    payments::v1::PaymentState,
};

use super::{
    shop::Shop,
    standins::{Paid, State},
};

/// An order, and how it must end.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) order_id: String,
    pub(crate) sku: &'static str,
    pub(crate) quantity: i64,
    pub(crate) by_card: bool,
    pub(crate) end: End,
    /// Where a caller turns an order back that would not have come far: it may be too late.
    pub(crate) or: Option<End>,
}

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Confirmed,
    Dispatched,
    Cancelled(CancelCause),
}

impl End {
    fn state(self) -> OrderState {
        match self {
            End::Confirmed => OrderState::Confirmed,
            End::Dispatched => OrderState::Dispatched,
            End::Cancelled(_) => OrderState::Cancelled,
        }
    }

    fn cause(self) -> CancelCause {
        match self {
            End::Confirmed | End::Dispatched => CancelCause::Unspecified,
            End::Cancelled(cause) => cause,
        }
    }
}

/// Waits for every order to come to its end; gives what does not hold.
pub(crate) async fn audit(shop: &Shop, orders: &[Expected]) -> Vec<String> {
    let mut findings = Vec::new();
    for expected in orders {
        let (id, end) = (&expected.order_id, expected.end);
        // One that was confirmed while it was cancelled, or is to be dispatched, is not at its end so far.
        let ends = [OrderState::Confirmed, OrderState::Dispatched, OrderState::Cancelled];
        let ends: &[OrderState] = if end == End::Confirmed { &ends } else { &ends[1..] };
        match shop.reaches(id, ends).await {
            None => findings.push(format!("{id} is stuck: {:?}", shop.get(id).await.state())),
            Some(order) => {
                let (state, cause) = (order.state(), order.cancel_cause());
                let is_so = |end: &End| (state, cause) == (end.state(), end.cause());
                if !is_so(&end) && !expected.or.as_ref().is_some_and(is_so) {
                    findings.push(format!("{id} ends {state:?} {cause:?}, not {end:?}"));
                }
            }
        }
    }
    let left = shop.world.faults.left();
    findings.extend(left.into_iter().map(|fault| format!("did not happen: {fault}")));
    let state = shop.world.state();
    for expected in orders {
        findings.extend(money(&state, expected));
        findings.extend(goods(&state, expected));
    }
    findings.extend(stock(&state, orders));
    for (request_id, effects) in &state.effects {
        if effects.len() != 1 {
            findings.push(format!("request {request_id} had {} effects: {effects:?}", effects.len()));
        }
    }
    drop(state);
    findings.extend(request_ids(shop));
    findings
}

/// captured - refunded is the price, or nothing; and nothing was taken or given back twice.
fn money(state: &State, expected: &Expected) -> Option<String> {
    let (id, payment) = (&expected.order_id, state.money.payments.get(&expected.order_id));
    let is_right = match (expected.end, expected.by_card, payment) {
        (_, false, payment) => payment.is_none(),
        (End::Confirmed | End::Dispatched, true, Some(Paid { state, amount, captured, refunded, .. })) => {
            *state == PaymentState::Captured && captured == amount && *refunded == 0
        }
        (End::Cancelled(_), true, Some(Paid { state, amount, captured, refunded, .. })) => {
            let ends = [PaymentState::Voided, PaymentState::Declined, PaymentState::Refunded];
            ends.contains(state) && captured == refunded && captured <= amount
        }
        (_, true, None) => false,
    };
    (!is_right).then(|| format!("{id} is to be {:?}, and its payment is {payment:?}", expected.end))
}

/// The reservation matches the end.
fn goods(state: &State, expected: &Expected) -> Option<String> {
    let id = &expected.order_id;
    let reservation = state.goods.reservations.get(id).map(|(state, _)| *state);
    let wanted = match expected.end {
        End::Confirmed | End::Dispatched => ReservationState::Committed,
        End::Cancelled(_) => ReservationState::Released,
    };
    (reservation != Some(wanted))
        .then(|| format!("{id} is to be {:?}, and its reservation is {reservation:?}", expected.end))
}

/// Nothing is reserved any more, and what has left the shelf is what was confirmed.
fn stock(state: &State, orders: &[Expected]) -> Vec<String> {
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    for order in orders.iter().filter(|order| matches!(order.end, End::Confirmed | End::Dispatched)) {
        *sold.entry(order.sku).or_default() += order.quantity;
    }
    let stock = state.goods.stock.iter();
    let wrong = stock.filter(|(sku, stock)| {
        let sold = sold.get(sku.as_str()).copied().unwrap_or_default();
        stock.reserved != 0 || stock.on_hand != stock.initial - sold
    });
    wrong.map(|(sku, stock)| format!("{sku}: {stock:?}, sold {:?}", sold.get(sku.as_str()))).collect()
}

/// A step of an order is asked under one request id, however often, and no other step is.
fn request_ids(shop: &Shop) -> Vec<String> {
    let mut ids: BTreeMap<(String, &str), BTreeSet<String>> = BTreeMap::new();
    let mut steps: BTreeMap<String, BTreeSet<(String, &str)>> = BTreeMap::new();
    for seen in shop.world.faults.seen() {
        let step = (seen.order_id, seen.step);
        steps.entry(seen.request_id.clone()).or_default().insert(step.clone());
        ids.entry(step).or_default().insert(seen.request_id);
    }
    let many = ids.into_iter().filter(|(_, ids)| ids.len() != 1);
    let many =
        many.map(|((id, step), ids)| format!("{step} of {id} was asked under {} request ids", ids.len()));
    let shared = steps.into_iter().filter(|(_, steps)| steps.len() != 1);
    many.chain(shared.map(|(id, steps)| format!("request {id} is of {steps:?}"))).collect()
}
