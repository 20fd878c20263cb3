use time::{Duration, macros::datetime};
use tributary_chassis::testing::{NOW, violated};

use super::*;

fn line(sku: &str, quantity: i64) -> BasketLine {
    BasketLine { sku: sku.to_owned(), quantity }
}

fn basket(lines: Vec<BasketLine>) -> Basket {
    Basket {
        customer_id: "ada".to_owned(),
        lines,
        order_time: None,
        note: String::new(),
        payment_token: String::new(),
    }
}

fn offer(currency_code: &str, unit_price_minor_units: i64) -> Offer {
    Offer {
        display_name: "Thing".to_owned(),
        category: "THINGS".to_owned(),
        currency_code: currency_code.to_owned(),
        unit_price_minor_units,
    }
}

fn quote<const N: usize>(offers: [(&str, Offer); N]) -> Quote {
    Quote::Offers(offers.into_iter().map(|(sku, offer)| (sku.to_owned(), offer)).collect())
}

fn unknown(skus: &[&str]) -> Quote {
    Quote::Unknown(skus.iter().map(|sku| (*sku).to_owned()).collect())
}

/// The fields that are refused when `set` has changed a valid basket.
fn refused(set: impl FnOnce(&mut Basket)) -> Vec<String> {
    let mut basket = basket(vec![line("teapot", 2)]);
    set(&mut basket);
    violated(|violations| basket.check(NOW, violations))
}

#[test]
fn a_basket_has_bounds() {
    let none: Vec<String> = vec![];
    assert_eq!(refused(|_| ()), none);
    assert_eq!(refused(|b| b.customer_id.clear()), ["customer_id"]);
    assert_eq!(refused(|b| b.lines.clear()), ["lines"]);
    assert_eq!(refused(|b| b.lines = vec![line("teapot", 1); 256]), none);
    assert_eq!(refused(|b| b.lines = vec![line("teapot", 1); 257]), ["lines"]);
    assert_eq!(refused(|b| b.note = "n".repeat(1_000)), none);
    assert_eq!(refused(|b| b.note = "n".repeat(1_001)), ["note"]);
    assert_eq!(refused(|b| b.payment_token = "t".repeat(64)), none);
    assert_eq!(refused(|b| b.payment_token = "t".repeat(65)), ["payment_token"]);
    assert_eq!(refused(|b| b.payment_token = "4111 1111".to_owned()), ["payment_token"]);
}

#[test]
fn a_line_has_bounds_and_is_named() {
    for (quantity, ok) in [(i64::MIN, false), (0, false), (1, true), (1_000_000, true), (1_000_001, false)] {
        let expected = if ok { vec![] } else { vec!["lines[1].quantity"] };
        assert_eq!(refused(|b| b.lines.push(line("cup", quantity))), expected, "{quantity}");
    }
    assert_eq!(
        refused(|b| b.lines = vec![line("", 0), line("a b", 1)]),
        ["lines[0].sku", "lines[0].quantity", "lines[1].sku"]
    );
}

#[test]
fn an_order_is_not_taken_for_the_future() {
    for (time, ok) in [
        (NOW, true),
        (datetime!(1970-01-01 0:00 UTC), true),
        (datetime!(0001-01-01 0:00 UTC), true),
        (NOW + Duration::microseconds(1), false),
    ] {
        assert_eq!(refused(|b| b.order_time = Some(time)).is_empty(), ok, "{time}");
    }
}

#[test]
fn each_sku_is_asked_for_once() {
    assert_eq!(basket(vec![line("b", 1), line("a", 1), line("b", 2)]).skus(), ["a", "b"]);
}

#[test]
fn what_is_agreed_is_copied_and_counted() {
    let quote = quote([("cup", offer("EUR", 3)), ("teapot", offer("EUR", 2500))]);
    let lines = vec![line("teapot", 2), line("cup", 6), line("teapot", 1)];
    let order = basket(lines).agree(true, &quote, NOW).unwrap();
    assert_eq!((order.total_minor_units, order.currency_code.as_str()), (7518, "EUR"));
    assert_eq!((order.state, order.order_time), (OrderState::Placed, NOW));
    let agreed: Vec<_> =
        order.lines.iter().map(|l| (l.sku.as_str(), l.quantity, l.unit_price_minor_units)).collect();
    assert_eq!(agreed, [("teapot", 2, 2500), ("cup", 6, 3), ("teapot", 1, 2500)]);
    assert_eq!((order.lines[0].display_name.as_str(), order.lines[0].category.as_str()), ("Thing", "THINGS"));
}

#[test]
fn an_order_taken_elsewhere_keeps_its_time() {
    let time = datetime!(2020-02-29 23:59:59.999_999 UTC);
    let basket = Basket { order_time: Some(time), ..basket(vec![line("cup", 1)]) };
    assert_eq!(basket.agree(true, &quote([("cup", offer("EUR", 3))]), NOW).unwrap().order_time, time);
}

#[test]
fn everything_that_does_not_exist_is_named() {
    let lines = vec![line("cup", 1), line("sofa", 1), line("sofa", 1)];
    let sofas = ["lines[1].sku", "lines[2].sku"];
    for (customer_exists, quote, expected) in [
        (true, unknown(&["sofa"]), sofas.to_vec()),
        (true, quote([("cup", offer("EUR", 3))]), sofas.to_vec()),
        (false, unknown(&["sofa"]), ["customer_id"].into_iter().chain(sofas).collect()),
        (false, quote([("cup", offer("EUR", 3)), ("sofa", offer("EUR", 9))]), vec!["customer_id"]),
        // A catalog that names what nobody asked for still brings about no order.
        (true, unknown(&["chair"]), vec!["lines[0].sku"]),
    ] {
        let Err(Disagreement::Unknown(fields)) = basket(lines.clone()).agree(customer_exists, &quote, NOW)
        else {
            panic!("agreed to {quote:?}")
        };
        let fields: Vec<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, expected);
    }
}

#[test]
fn one_order_has_one_currency() {
    let quote = quote([("cup", offer("EUR", 3)), ("sofa", offer("USD", 9)), ("chair", offer("EUR", 5))]);
    let lines = vec![line("cup", 1), line("sofa", 1), line("chair", 1)];
    assert_eq!(
        basket(lines).agree(true, &quote, NOW),
        Err(Disagreement::MixedCurrencies(vec![(
            "lines[1].sku".to_owned(),
            "is priced in USD, but lines[0] in EUR: place an order for each currency".to_owned()
        )]))
    );
}

#[test]
fn a_total_fits_into_64_bits() {
    // 9 lines of 10^18 are below 2^63, 10 are above.
    let quote = quote([("yacht", offer("EUR", 1_000_000_000_000)), ("gold", offer("EUR", i64::MAX))]);
    let of = |lines| basket(lines).agree(true, &quote, NOW).map(|order| order.total_minor_units);
    assert_eq!(of(vec![line("yacht", 1_000_000); 9]), Ok(9_000_000_000_000_000_000));
    assert_eq!(of(vec![line("yacht", 1_000_000); 10]), Err(Disagreement::TotalTooLarge));
    assert_eq!(of(vec![line("gold", 1)]), Ok(i64::MAX));
    assert_eq!(of(vec![line("gold", 2)]), Err(Disagreement::TotalTooLarge));
}
