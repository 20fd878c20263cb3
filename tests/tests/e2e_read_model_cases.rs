//! The shop's read model, where the decisions are, by hand: what counts, what a month is, how currencies stay apart, and what
//! is left of a customer who was deleted. A test plays the six services.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use mesh_tests::read_model::{Cast, Played};
use prost_types::Timestamp;
use shop_proto::{
    customers::v1::Customer,
    insights::v1::{
        CancelledOrdersRequest, Customer360Request, Customer360Response, CustomerOverviewRequest,
        FulfilmentTimesRequest, OrderDetailsRequest, PaymentFailuresRequest, RepeatCustomersRequest,
        RevenueByRegionRequest, StockCoverRequest, TopProductsRequest,
    },
    inventory::v1::StockItem,
    money::v1::Money,
    orders::v1::{CancelCause, Order, OrderLine, OrderState},
    payments::v1::{Payment, PaymentState},
    shipping::v1::{Shipment, ShipmentState},
};
use tonic::Code;

/// 2026-01-01 00:00 UTC.
const NEW_YEAR: i64 = 1_767_225_600;
const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// 2026-02-01 00:00 UTC.
const FEBRUARY: i64 = NEW_YEAR + 31 * DAY;

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn money(currency_code: &str, minor_units: i64) -> Option<Money> {
    Some(Money { currency_code: currency_code.to_owned(), minor_units })
}

fn customer(id: &str, region: &str, segment: &str) -> Customer {
    let [customer_id, region, segment] = [id, region, segment].map(str::to_owned);
    Customer { display_name: format!("Name of {id}"), customer_id, region, segment, ..Customer::default() }
}

/// Of one line: so many of a product at 1.00.
fn order(id: &str, customer: &str, time: i64, (sku, quantity): (&str, i64), currency: &str) -> Order {
    let line = OrderLine {
        sku: sku.to_owned(),
        display_name: format!("Name of {sku}"),
        category: "KITCHEN".to_owned(),
        quantity,
        unit_price: money(currency, 100),
    };
    Order {
        order_id: id.to_owned(),
        customer_id: customer.to_owned(),
        state: OrderState::Placed.into(),
        order_time: at(time),
        create_time: at(time),
        lines: vec![line],
        total: money(currency, 100 * quantity),
        ..Order::default()
    }
}

fn in_state(order: &Order, state: OrderState, cause: CancelCause) -> Order {
    Order { state: state.into(), cancel_cause: cause.into(), ..order.clone() }
}

fn payment(id: &str, customer: &str, currency: &str, code: &str) -> Payment {
    let state = if code.is_empty() { PaymentState::Captured } else { PaymentState::Declined };
    Payment {
        payment_id: id.to_owned(),
        order_id: id.to_owned(),
        customer_id: customer.to_owned(),
        state: state.into(),
        amount: money(currency, 500),
        decline_code: code.to_owned(),
        create_time: at(NEW_YEAR),
        ..Payment::default()
    }
}

async fn customer_360(shop: &Played, id: &str) -> Result<Customer360Response, tonic::Status> {
    let request = Customer360Request { customer_id: id.to_owned(), limit: 0 };
    Ok(shop.insights.clone().customer360(shop.cast.behind(request)).await?.into_inner())
}

/// Month, customers, of those who came back.
async fn months(shop: &Played, request: RepeatCustomersRequest) -> Vec<(i64, i64, i64)> {
    let answer =
        shop.insights.clone().repeat_customers(shop.cast.behind(request)).await.unwrap().into_inner();
    let rows = answer.rows.into_iter();
    rows.map(|row| (row.month.unwrap().seconds, row.customers, row.repeat_customers)).collect()
}

/// Cause, currency, orders, total.
async fn cancelled(shop: &Played) -> Vec<(String, String, i64, i64)> {
    let request = shop.cast.behind(CancelledOrdersRequest::default());
    let rows = shop.insights.clone().cancelled_orders(request).await.unwrap().into_inner().rows;
    rows.into_iter().map(|row| (row.cause, row.currency_code, row.orders, row.total_minor)).collect()
}

/// Sku, units sold, days of cover.
async fn cover(shop: &Played, days: i64, as_of: Option<Timestamp>) -> Vec<(String, i64, Option<f64>)> {
    let request = shop.cast.behind(StockCoverRequest { sku: String::new(), days, as_of });
    let rows = shop.insights.clone().stock_cover(request).await.unwrap().into_inner().rows;
    rows.into_iter().map(|row| (row.sku, row.units_sold, row.days_of_cover)).collect()
}

async fn played(fill: impl FnOnce(&mut Cast)) -> Played {
    let mut shop = Played::start().await;
    fill(&mut shop.cast);
    shop.cast.show();
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn without_orders_there_is_a_customer_and_nothing_else() {
    let shop = played(|cast| {
        cast.put(customer("ada", "EUROPE", ""));
        cast.put(StockItem { sku: "teapot".to_owned(), on_hand: 5, available: 5, ..StockItem::default() });
    })
    .await;
    let ada = customer_360(&shop, "ada").await.unwrap();
    assert_eq!(ada.profile.unwrap().display_name, "Name of ada");
    assert_eq!((ada.orders, ada.last_order_time), (0, None));
    assert!(ada.lifetime_value.is_empty() && ada.last_orders.is_empty());
    assert!(ada.open_shipments.is_empty() && ada.failed_payments.is_empty());
    assert_eq!(months(&shop, RepeatCustomersRequest::default()).await, []);
    assert_eq!(cancelled(&shop).await, []);
    assert_eq!(cover(&shop, 0, None).await, [("teapot".to_owned(), 0, None)]);
    assert_eq!(cover(&shop, 0, at(NEW_YEAR)).await, [("teapot".to_owned(), 0, None)]);
    let request = shop.cast.behind(FulfilmentTimesRequest::default());
    assert_eq!(shop.insights.clone().fulfilment_times(request).await.unwrap().into_inner().rows, []);
    let request = shop.cast.behind(PaymentFailuresRequest::default());
    assert_eq!(shop.insights.clone().payment_failures(request).await.unwrap().into_inner().rows, []);
    let request = OrderDetailsRequest { order_id: "o-1".to_owned() };
    let answer = shop.insights.clone().order_details(shop.cast.behind(request)).await;
    assert_eq!(answer.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_counts_until_it_is_cancelled_and_not_only_until_it_is_to_be() {
    let kept = order("kept", "ada", NEW_YEAR, ("teapot", 1), "EUR");
    let doomed = order("doomed", "ada", NEW_YEAR, ("teapot", 4), "EUR");
    let mut shop = played(|cast| {
        cast.put(customer("ada", "EUROPE", ""));
        cast.put(StockItem { sku: "teapot".to_owned(), on_hand: 5, available: 5, ..StockItem::default() });
        cast.put(kept);
        cast.put(in_state(&doomed, OrderState::Cancelling, CancelCause::OutOfStock));
    })
    .await;
    let worth = async |shop: &Played| {
        let ada = customer_360(shop, "ada").await.unwrap();
        let request = shop.cast.behind(RevenueByRegionRequest::default());
        let revenue = shop.insights.clone().revenue_by_region(request).await.unwrap().into_inner().rows;
        let request = shop.cast.behind(TopProductsRequest::default());
        let products = shop.insights.clone().top_products(request).await.unwrap().into_inner().rows;
        let sold = cover(shop, 1, None).await[0].1;
        assert_eq!(ada.last_orders.len(), 2, "what was cancelled is shown all the same");
        (ada.orders, ada.lifetime_value[0].revenue_minor, revenue[0].revenue_minor, products[0].units, sold)
    };
    assert_eq!(worth(&shop).await, (2, 500, 500, 5, 5));
    assert_eq!(cancelled(&shop).await, []);

    shop.cast.put(in_state(&doomed, OrderState::Cancelled, CancelCause::OutOfStock));
    shop.cast.show();
    assert_eq!(worth(&shop).await, (1, 100, 100, 1, 1));
    assert_eq!(cancelled(&shop).await, [("OUT_OF_STOCK".to_owned(), "EUR".to_owned(), 1, 400)]);

    // Forgotten, it is none that was cancelled either.
    shop.cast.remove::<Order>("doomed");
    shop.cast.show();
    assert_eq!(cancelled(&shop).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_deleted_customer_the_orders_and_the_money_are_left() {
    let confirmed =
        Order { confirm_time: at(NEW_YEAR + 30), ..order("o-1", "ada", NEW_YEAR, ("teapot", 2), "EUR") };
    let mut shop = played(|cast| {
        cast.put(customer("ada", "EUROPE", "BUILDING"));
        cast.put(confirmed);
        cast.put(payment("o-1", "ada", "EUR", "card_declined"));
    })
    .await;
    let request = OrderDetailsRequest { order_id: "o-1".to_owned() };
    let details = shop.insights.clone().order_details(shop.cast.behind(request.clone())).await.unwrap();
    assert_eq!(details.into_inner().customer.unwrap().region, "EUROPE");

    shop.cast.remove::<Customer>("ada");
    shop.cast.show();
    assert_eq!(customer_360(&shop, "ada").await.unwrap_err().code(), Code::NotFound);
    let overview = shop.cast.behind(CustomerOverviewRequest { customer_id: "ada".to_owned() });
    assert_eq!(shop.insights.clone().customer_overview(overview).await.unwrap().into_inner().rows, []);
    let details = shop.insights.clone().order_details(shop.cast.behind(request)).await.unwrap().into_inner();
    assert_eq!((details.customer, details.customer_id.as_str(), details.total_minor), (None, "ada", 200));
    let request = shop.cast.behind(FulfilmentTimesRequest::default());
    let times = shop.insights.clone().fulfilment_times(request).await.unwrap().into_inner().rows;
    assert_eq!((times[0].region.as_str(), times[0].confirm_seconds), ("UNKNOWN", 30.0));
    let request = shop.cast.behind(PaymentFailuresRequest { segment: "UNKNOWN".to_owned() });
    let failures = shop.insights.clone().payment_failures(request).await.unwrap().into_inner().rows;
    assert_eq!((failures[0].failures, failures[0].amount_minor, failures[0].rate), (1, 500, 1.0));
    assert_eq!(months(&shop, RepeatCustomersRequest::default()).await, [(NEW_YEAR, 1, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn currencies_are_never_added_up() {
    let shop = played(|cast| {
        cast.put(customer("ada", "EUROPE", "BUILDING"));
        cast.put(order("o-1", "ada", NEW_YEAR, ("teapot", 1), "EUR"));
        cast.put(order("o-2", "ada", NEW_YEAR + 1, ("saw", 2), "USD"));
        for (id, currency) in [("o-3", "EUR"), ("o-4", "USD")] {
            let order = order(id, "ada", NEW_YEAR, ("saw", 3), currency);
            cast.put(in_state(&order, OrderState::Cancelled, CancelCause::Requested));
        }
        cast.put(payment("o-1", "ada", "EUR", ""));
        cast.put(payment("o-3", "ada", "EUR", "card_declined"));
        cast.put(payment("o-2", "ada", "USD", "card_declined"));
    })
    .await;
    let ada = customer_360(&shop, "ada").await.unwrap();
    let worth: Vec<_> =
        ada.lifetime_value.iter().map(|value| (value.currency_code.as_str(), value.revenue_minor)).collect();
    assert_eq!(worth, [("EUR", 100), ("USD", 200)]);
    assert_eq!(ada.failed_payments.len(), 2);
    assert_eq!((ada.orders, ada.last_order_time), (2, at(NEW_YEAR + 1)));
    let reason = || "REQUESTED".to_owned();
    let expected = [(reason(), "EUR".to_owned(), 1, 300), (reason(), "USD".to_owned(), 1, 300)];
    assert_eq!(cancelled(&shop).await, expected);
    let request = shop.cast.behind(PaymentFailuresRequest::default());
    let rows = shop.insights.clone().payment_failures(request).await.unwrap().into_inner().rows;
    let rates: Vec<_> = rows.iter().map(|r| (r.currency_code.as_str(), r.payments, r.rate)).collect();
    assert_eq!(rates, [("EUR", 2, 0.5), ("USD", 1, 1.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_begins_at_its_first_midnight_and_a_period_with_a_whole_one() {
    let mut shop = played(|cast| {
        cast.put(order("o-1", "ada", FEBRUARY - 1, ("teapot", 1), "EUR"));
        cast.put(order("o-2", "ada", FEBRUARY, ("teapot", 1), "EUR"));
        cast.put(order("o-3", "ada", FEBRUARY + 3 * DAY, ("teapot", 1), "EUR"));
        cast.put(order("o-4", "bob", FEBRUARY + DAY, ("teapot", 1), "EUR"));
        cast.put(order("o-5", "bob", FEBRUARY + 2 * DAY, ("teapot", 1), "EUR"));
    })
    .await;
    // Bob did not come back: both of his orders are of the same month.
    assert_eq!(months(&shop, RepeatCustomersRequest::default()).await, [(NEW_YEAR, 1, 0), (FEBRUARY, 2, 1)]);
    let since = RepeatCustomersRequest { since: at(FEBRUARY + 5 * DAY), until: None };
    assert_eq!(months(&shop, since).await, [(FEBRUARY, 2, 1)], "what was before still counts as before");
    let until = RepeatCustomersRequest { since: None, until: at(FEBRUARY + 5 * DAY) };
    assert_eq!(months(&shop, until).await, [(NEW_YEAR, 1, 0)]);
    // Without the first one, Ada begins in February.
    let first = order("o-1", "ada", FEBRUARY - 1, ("teapot", 1), "EUR");
    shop.cast.put(in_state(&first, OrderState::Cancelled, CancelCause::Requested));
    shop.cast.show();
    assert_eq!(months(&shop, RepeatCustomersRequest::default()).await, [(FEBRUARY, 2, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_lasts_as_long_as_the_days_before_say() {
    let item = |sku: &str, on_hand: i64, reserved: i64| StockItem {
        sku: sku.to_owned(),
        on_hand,
        reserved,
        available: on_hand - reserved,
        ..StockItem::default()
    };
    let shop = played(|cast| {
        cast.put(item("teapot", 50, 10));
        cast.put(item("saw", 9, 0));
        cast.put(item("gone", 0, 0));
        cast.put(order("o-1", "ada", NEW_YEAR, ("teapot", 30), "EUR"));
        cast.put(order("o-2", "ada", NEW_YEAR + 10 * DAY - 1, ("teapot", 10), "EUR"));
        cast.put(order("o-3", "ada", NEW_YEAR + 9 * DAY, ("gone", 1), "EUR"));
    })
    .await;
    let row = |sku: &str, units, days| (sku.to_owned(), units, days);
    // 40 in 10 days are 4 a day, and there are 40; what does not sell lasts for ever, and comes last.
    let ten = [row("gone", 1, Some(0.0)), row("teapot", 40, Some(10.0)), row("saw", 0, None)];
    assert_eq!(cover(&shop, 10, None).await, ten);
    // The first of January is not among the last nine.
    let nine = [row("gone", 1, Some(0.0)), row("teapot", 10, Some(36.0)), row("saw", 0, None)];
    assert_eq!(cover(&shop, 9, None).await, nine);
    let then = [row("teapot", 30, Some(40.0 / 30.0)), row("gone", 0, None), row("saw", 0, None)];
    assert_eq!(cover(&shop, 1, at(NEW_YEAR + 3600)).await, then);
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_of_ten_orders_arrive_within_the_ninetieth_percentile() {
    let shop = played(|cast| {
        cast.put(customer("ada", "EUROPE", ""));
        for hours in 1..=10 {
            let id = format!("o-{hours}");
            let placed = order(&id, "ada", NEW_YEAR, ("teapot", 1), "EUR");
            cast.put(Order { confirm_time: at(NEW_YEAR + 10), ..placed });
            cast.put(Shipment {
                shipment_id: id.clone(),
                order_id: id,
                customer_id: "ada".to_owned(),
                state: ShipmentState::Delivered.into(),
                dispatch_time: at(NEW_YEAR + 10 + 20),
                deliver_time: at(NEW_YEAR + hours * HOUR),
                ..Shipment::default()
            });
        }
        // On its way: it has no part in how long the others took to arrive.
        let late = order("late", "ada", NEW_YEAR, ("teapot", 1), "EUR");
        cast.put(Order { confirm_time: at(NEW_YEAR + 10), ..late });
    })
    .await;
    let request = shop.cast.behind(FulfilmentTimesRequest::default());
    let rows = shop.insights.clone().fulfilment_times(request).await.unwrap().into_inner().rows;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.confirmed, row.dispatched, row.delivered), (11, 10, 10));
    assert_eq!((row.confirm_seconds, row.dispatch_seconds), (10.0, Some(20.0)));
    assert_eq!(row.deliver_seconds, Some(5.5 * 3600.0 - 30.0));
    assert_eq!((row.median_hours, row.p90_hours), (Some(5), Some(9)));
}
