//! Given replies, certain figures; and a figure that was altered does not agree.

use super::*;
use crate::command::load::shop::{
    figures::{Told, differences},
    reply::{Line, Money},
};

fn money(minor_units: i64) -> Money {
    Money { currency_code: "EUR".into(), minor_units }
}

/// Two teapots at 25.00 and one cup at 3.00.
fn order(state: OrderState, cause: &str, confirmed: bool, method: &str) -> Order {
    let line = |sku: &str, quantity, price| Line { sku: sku.into(), quantity, unit_price: money(price) };
    Order {
        order_id: "o".into(),
        customer_id: "ada".into(),
        state,
        lines: vec![line("teapot", 2, 2500), line("cup", 1, 300)],
        total: money(5300),
        payment_method: method.into(),
        cancel_cause: cause.into(),
        confirm_time: confirmed.then(|| "2026-01-01T00:00:00Z".into()),
    }
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.customer(Customer { customer_id: "ada".into(), region: "EUROPE".into() });
    ledger.stocked(&StockItem { sku: "teapot".into(), on_hand: 10 });
    ledger.received("teapot", 5);
    for order in [
        order(OrderState::Confirmed, "", true, "CARD"),
        order(OrderState::Delivered, "", true, "INVOICE"),
        order(OrderState::Cancelled, "PAYMENT_DECLINED", false, "CARD"),
        order(OrderState::Cancelled, "OUT_OF_STOCK", false, "CARD"),
        order(OrderState::Cancelled, "REQUESTED", false, "CARD"),
        order(OrderState::Cancelled, "REQUESTED", true, "CARD"),
        order(OrderState::Cancelled, "REQUESTED", true, "INVOICE"),
    ] {
        ledger.settled(&order);
    }
    ledger
}

fn told<const N: usize>(values: [(&str, i64); N]) -> Told {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Agrees as it is, and with no value that is one off.
fn check(expected: &Expectation, told: &Told) {
    assert_eq!(differences(expected, told), Vec::<String>::new());
    for name in told.keys() {
        for by in [-1, 1] {
            let mut altered = told.clone();
            *altered.get_mut(name).unwrap() += by;
            assert_eq!(differences(expected, &altered).len(), 1, "{name} {by}");
        }
    }
}

#[test]
fn orders_and_shipments_count_by_state() {
    check(
        &ledger().orders(),
        &told([("CONFIRMED orders", 1), ("DELIVERED orders", 1), ("CANCELLED orders", 5)]),
    );
    let shipments = told([("PENDING shipments", 1), ("DELIVERED shipments", 1), ("CANCELLED shipments", 2)]);
    check(&ledger().shipments(), &shipments);
}

#[test]
fn what_is_not_cancelled_is_earned_and_off_the_shelf() {
    check(&ledger().revenue(), &told([("EUROPE EUR units", 6), ("EUROPE EUR revenue_minor", 10_600)]));
    let sold = [("teapot EUR units", 4), ("teapot EUR revenue_minor", 10_000), ("cup EUR units", 2)];
    let mut sold = told(sold);
    sold.insert("cup EUR revenue_minor".into(), 600);
    check(&ledger().sold(), &sold);
    // The cup is not stock-managed.
    check(&ledger().stock(), &told([("teapot on_hand", 11), ("teapot reserved", 0)]));
}

#[test]
fn revenue_moves_with_the_customer() {
    let mut ledger = ledger();
    ledger.customer(Customer { customer_id: "ada".into(), region: "ASIA".into() });
    check(&ledger.revenue(), &told([("ASIA EUR units", 6), ("ASIA EUR revenue_minor", 10_600)]));
}

#[test]
fn of_payments_only_those_cancelled_early_are_uncertain() {
    let expected = ledger().payments();
    let with = |states: &[&str]| {
        let mut told = Told::new();
        for state in states {
            *told.entry(format!("{state} EUR payments")).or_default() += 1;
            *told.entry(format!("{state} EUR minor_units")).or_default() += 5300;
        }
        differences(&expected, &told)
    };
    let certain = ["CAPTURED", "REFUNDED", "DECLINED"];
    assert_eq!(with(&certain), Vec::<String>::new());
    for early in ["REFUNDED", "DECLINED", "VOIDED"] {
        assert_eq!(with(&[&certain[..], &[early]].concat()), Vec::<String>::new(), "{early}");
    }
    for state in certain {
        let without: Vec<_> = certain.into_iter().filter(|other| *other != state).collect();
        assert_eq!(with(&without).len(), 2, "{state}");
    }
    for surplus in [&["CAPTURED"][..], &["AUTHORIZED"], &["PENDING"], &["REFUNDED"; 2], &["VOIDED"; 3]] {
        assert_eq!(with(&[&certain[..], surplus].concat()).len(), 2, "{surplus:?}");
    }
}
