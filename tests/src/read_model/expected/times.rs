//! How long things take, and who comes back.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::Timestamp;
use shop_proto::insights::v1::{
    FulfilmentTimesRequest, FulfilmentTimesResponse, FulfilmentTimesRow, RepeatCustomersRequest,
    RepeatCustomersResponse, RepeatCustomersRow,
};

use super::{UNKNOWN, chosen, count, day, is_sold, micros, moment, month, within};
use crate::read_model::Entities;

const HOUR: i64 = 3_600_000_000;

/// The steps of the orders of a region and a day, in microseconds.
#[derive(Default)]
struct Steps {
    confirmed: Vec<i64>,
    dispatched: Vec<i64>,
    delivered: Vec<i64>,
    hours: Vec<i64>,
}

/// What the insight of that name must answer.
pub fn fulfilment_times(shop: &Entities, request: &FulfilmentTimesRequest) -> FulfilmentTimesResponse {
    let [since, until] = [request.since, request.until].map(|time| time.map(|time| day(Some(time))));
    let mut groups: BTreeMap<_, Steps> = BTreeMap::new();
    for order in shop.orders.values().filter(|order| order.confirm_time.is_some()) {
        let region = shop.customers.get(&order.customer_id).map_or(UNKNOWN, |customer| &customer.region);
        let day = day(order.order_time);
        if !chosen(&request.region, region) || !within(day, since, until) {
            continue;
        }
        let steps = groups.entry((region, day)).or_default();
        let shipment = shop.shipments.get(&order.order_id);
        let dispatch = shipment.and_then(|shipment| shipment.dispatch_time);
        let deliver = shipment.and_then(|shipment| shipment.deliver_time);
        steps.confirmed.extend(between(order.create_time, order.confirm_time));
        steps.dispatched.extend(between(order.confirm_time, dispatch));
        steps.delivered.extend(between(dispatch, deliver));
        steps
            .hours
            .extend(between(order.create_time, deliver).map(|took| (took + HOUR - 1).div_euclid(HOUR)));
    }
    let rows = groups.into_iter().map(|((region, day), mut steps)| {
        steps.hours.sort_unstable();
        FulfilmentTimesRow {
            region: region.to_owned(),
            day: moment(day),
            confirmed: count(steps.confirmed.len()),
            dispatched: count(steps.dispatched.len()),
            delivered: count(steps.delivered.len()),
            confirm_seconds: average(&steps.confirmed).expect("at least one"),
            dispatch_seconds: average(&steps.dispatched),
            deliver_seconds: average(&steps.delivered),
            median_hours: share(&steps.hours, 50),
            p90_hours: share(&steps.hours, 90),
        }
    });
    FulfilmentTimesResponse { rows: rows.collect() }
}

fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<i64> {
    Some(micros(to)? - micros(from)?)
}

fn average(micros: &[i64]) -> Option<f64> {
    let sum: i64 = micros.iter().sum();
    (!micros.is_empty()).then(|| sum as f64 / 1_000_000.0 / micros.len() as f64)
}

/// The least value that at least so many of a hundred do not exceed.
fn share(sorted: &[i64], percent: usize) -> Option<i64> {
    let at = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(at).copied()
}

/// What the insight of that name must answer.
pub fn repeat_customers(shop: &Entities, request: &RepeatCustomersRequest) -> RepeatCustomersResponse {
    let [since, until] = [request.since, request.until].map(|time| time.map(|time| month(Some(time))));
    let mut months: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for order in shop.orders.values().filter(|order| is_sold(order)) {
        months.entry(month(order.order_time)).or_default().insert(&order.customer_id);
    }
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut rows = Vec::new();
    for (month, customers) in &months {
        let repeat = customers.intersection(&known).count();
        known.extend(customers);
        rows.push(RepeatCustomersRow {
            month: moment(*month),
            customers: count(customers.len()),
            repeat_customers: count(repeat),
            rate: repeat as f64 / customers.len() as f64,
        });
    }
    rows.retain(|row| within(month(row.month), since, until));
    RepeatCustomersResponse { rows }
}
