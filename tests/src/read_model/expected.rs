//! What each insight must be, computed from the entities in plain Rust: without SQL and without anything of the gateway.

mod details;
mod sales;
mod times;

use prost_types::Timestamp;
use shop_proto::{
    money::v1::Money,
    orders::v1::{Order, OrderState},
};
use time::OffsetDateTime;

pub use details::{customer_360, order_details};
pub use sales::{
    cancelled_orders, customer_overview, payment_failures, revenue_by_region, stock_cover, top_products,
};
pub use times::{fulfilment_times, repeat_customers};

const DAY: i64 = 24 * 60 * 60;
const UNKNOWN: &str = "UNKNOWN";

/// The order counts as sold.
fn is_sold(order: &Order) -> bool {
    order.state() != OrderState::Cancelled
}

/// In order of time, for times that may be unset.
fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.seconds * 1_000_000 + i64::from(time.nanos) / 1000)
}

fn day(time: Option<Timestamp>) -> i64 {
    time.expect("an order has a time").seconds.div_euclid(DAY) * DAY
}

/// Its first second.
fn month(time: Option<Timestamp>) -> i64 {
    let seconds = time.expect("an order has a time").seconds;
    let time = OffsetDateTime::from_unix_timestamp(seconds).expect("a time of our era");
    time.date().replace_day(1).expect("each month has a first day").midnight().assume_utc().unix_timestamp()
}

fn moment(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn currency(money: &Option<Money>) -> String {
    money.as_ref().map(|money| money.currency_code.clone()).unwrap_or_default()
}

pub(super) fn minor(money: &Option<Money>) -> i64 {
    money.as_ref().map(|money| money.minor_units).unwrap_or_default()
}

fn count(of: usize) -> i64 {
    i64::try_from(of).expect("a count")
}

/// Whether `wanted` is left out, or just this.
fn chosen(wanted: &str, value: &str) -> bool {
    wanted.is_empty() || wanted == value
}

/// Whether a day or month is within what was asked for, each cut to its beginning.
fn within(start: i64, since: Option<i64>, until: Option<i64>) -> bool {
    since.is_none_or(|since| since <= start) && until.is_none_or(|until| start < until)
}
