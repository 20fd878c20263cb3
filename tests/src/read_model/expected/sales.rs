//! What was sold, and what was not.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use shop_proto::{
    insights::v1::{
        CancelledOrdersRequest, CancelledOrdersResponse, CancelledOrdersRow, CustomerOverviewResponse,
        CustomerRow, PaymentFailuresRequest, PaymentFailuresResponse, PaymentFailuresRow, ProductRow,
        Revenue, RevenueByRegionRequest, RevenueByRegionResponse, RevenueRow, StockCoverRequest,
        StockCoverResponse, StockCoverRow, TopProductsRequest, TopProductsResponse,
    },
    orders::v1::{Order, OrderLine},
    payments::v1::PaymentState,
};

use super::{DAY, UNKNOWN, chosen, count, currency, day, is_sold, micros, minor, moment, within};
use crate::read_model::Entities;

/// Each line that counts, with its order.
fn sold_lines(shop: &Entities) -> impl Iterator<Item = (&Order, &OrderLine)> {
    let sold = shop.orders.values().filter(|order| is_sold(order));
    sold.flat_map(|order| order.lines.iter().map(move |line| (order, line)))
}

/// Of lines, with orders counted once.
#[derive(Default)]
struct Sum<'a> {
    orders: BTreeSet<&'a str>,
    units: i64,
    revenue: i64,
    /// The greatest on the lines.
    name: &'a str,
    category: &'a str,
}

impl<'a> Sum<'a> {
    fn add(&mut self, order: &'a Order, line: &'a OrderLine) {
        self.orders.insert(&order.order_id);
        self.units += line.quantity;
        self.revenue += line.quantity * minor(&line.unit_price);
        self.name = self.name.max(&line.display_name);
        self.category = self.category.max(&line.category);
    }
}

fn region(shop: &Entities, order: &Order) -> String {
    shop.customers.get(&order.customer_id).map_or(UNKNOWN, |customer| &customer.region).to_owned()
}

/// What the insight of that name must answer.
pub fn revenue_by_region(shop: &Entities, request: &RevenueByRegionRequest) -> RevenueByRegionResponse {
    let mut sums: BTreeMap<_, Sum<'_>> = BTreeMap::new();
    for (order, line) in sold_lines(shop) {
        let key =
            (region(shop, order), line.category.clone(), day(order.order_time), currency(&line.unit_price));
        if chosen(&request.region, &key.0) && chosen(&request.category, &key.1) {
            sums.entry(key).or_default().add(order, line);
        }
    }
    let rows = sums.into_iter().map(|((region, category, day, currency_code), sum)| RevenueRow {
        region,
        category,
        day: moment(day),
        currency_code,
        orders: count(sum.orders.len()),
        units: sum.units,
        revenue_minor: sum.revenue,
    });
    RevenueByRegionResponse { rows: rows.collect() }
}

/// What the insight of that name must answer.
pub fn top_products(shop: &Entities, request: &TopProductsRequest) -> TopProductsResponse {
    let mut sums: BTreeMap<_, Sum<'_>> = BTreeMap::new();
    for (order, line) in sold_lines(shop) {
        sums.entry((line.sku.as_str(), currency(&line.unit_price))).or_default().add(order, line);
    }
    let rows = sums.into_iter().map(|((sku, currency_code), sum)| {
        let now = shop.products.get(sku);
        ProductRow {
            sku: sku.to_owned(),
            display_name: now.map_or(sum.name, |now| &now.display_name).to_owned(),
            category: now.map_or(sum.category, |now| &now.category).to_owned(),
            currency_code,
            orders: count(sum.orders.len()),
            units: sum.units,
            revenue_minor: sum.revenue,
        }
    });
    let mut rows: Vec<_> = rows.filter(|row| chosen(&request.category, &row.category)).collect();
    rows.sort_by_key(|row| Reverse(row.revenue_minor));
    rows.truncate(if request.limit == 0 { 10 } else { usize::try_from(request.limit).expect("a limit") });
    TopProductsResponse { rows }
}

/// What the insight of that name must answer.
pub fn customer_overview(shop: &Entities, id: &str) -> CustomerOverviewResponse {
    let chosen = shop.customers.values().filter(|customer| chosen(id, &customer.customer_id));
    let rows = chosen.map(|customer| {
        let orders: Vec<_> = shop
            .orders
            .values()
            .filter(|order| is_sold(order) && order.customer_id == customer.customer_id)
            .collect();
        let mut revenue: BTreeMap<String, i64> = BTreeMap::new();
        for order in &orders {
            *revenue.entry(currency(&order.total)).or_default() += minor(&order.total);
        }
        let revenue = revenue.into_iter();
        let last = orders.iter().max_by_key(|order| micros(order.order_time));
        CustomerRow {
            customer_id: customer.customer_id.clone(),
            display_name: customer.display_name.clone(),
            region: customer.region.clone(),
            segment: customer.segment.clone(),
            orders: count(orders.len()),
            revenue: revenue
                .map(|(currency_code, revenue_minor)| Revenue { currency_code, revenue_minor })
                .collect(),
            last_order_time: last.and_then(|order| order.order_time),
        }
    });
    CustomerOverviewResponse { rows: rows.collect() }
}

/// What the insight of that name must answer.
pub fn stock_cover(shop: &Entities, request: &StockCoverRequest) -> StockCoverResponse {
    let days = if request.days == 0 { 30 } else { request.days };
    let latest =
        || shop.orders.values().filter_map(|order| order.order_time).max_by_key(|t| micros(Some(*t)));
    let last_day = request.as_of.or_else(latest).map(|time| day(Some(time)));
    let first_day = last_day.map(|last| last - (days - 1) * DAY);
    let period = first_day.zip(last_day).map(|(first, last)| first..=last);
    let counts = |order: &Order| period.as_ref().is_some_and(|days| days.contains(&day(order.order_time)));
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    for (_, line) in sold_lines(shop).filter(|(order, _)| counts(order)) {
        *sold.entry(&line.sku).or_default() += line.quantity;
    }
    let rows = shop.stock_items.values().filter(|item| chosen(&request.sku, &item.sku)).map(|item| {
        let units_sold = sold.get(item.sku.as_str()).copied().unwrap_or_default();
        let cover = || item.available as f64 * days as f64 / units_sold as f64;
        StockCoverRow {
            sku: item.sku.clone(),
            display_name: shop
                .products
                .get(&item.sku)
                .map(|now| now.display_name.clone())
                .unwrap_or_default(),
            on_hand: item.on_hand,
            reserved: item.reserved,
            available: item.available,
            units_sold,
            first_day: first_day.and_then(moment),
            last_day: last_day.and_then(moment),
            days_of_cover: (units_sold != 0).then(cover),
        }
    });
    let mut rows: Vec<_> = rows.collect();
    let rank = |row: &StockCoverRow| row.days_of_cover.unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    StockCoverResponse { rows }
}

/// What the insight of that name must answer.
pub fn payment_failures(shop: &Entities, request: &PaymentFailuresRequest) -> PaymentFailuresResponse {
    let mut all: BTreeMap<_, i64> = BTreeMap::new();
    let mut failed: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for payment in shop.payments.values() {
        let segment = shop.customers.get(&payment.customer_id).map_or(UNKNOWN, |customer| &customer.segment);
        let currency = currency(&payment.amount);
        *all.entry((segment, currency.clone())).or_default() += 1;
        if payment.state() == PaymentState::Declined {
            let sum = failed.entry((segment, payment.decline_code.clone(), currency)).or_default();
            *sum = (sum.0 + 1, sum.1 + minor(&payment.amount));
        }
    }
    let rows =
        failed.into_iter().map(|((segment, decline_code, currency_code), (failures, amount_minor))| {
            let payments = all[&(segment, currency_code.clone())];
            PaymentFailuresRow {
                segment: segment.to_owned(),
                decline_code,
                currency_code,
                failures,
                amount_minor,
                payments,
                rate: failures as f64 / payments as f64,
            }
        });
    let mut rows: Vec<_> = rows.filter(|row| chosen(&request.segment, &row.segment)).collect();
    rows.sort_by_key(|row| (row.segment.clone(), Reverse(row.failures)));
    PaymentFailuresResponse { rows }
}

/// What the insight of that name must answer.
pub fn cancelled_orders(shop: &Entities, request: &CancelledOrdersRequest) -> CancelledOrdersResponse {
    let [since, until] = [request.since, request.until].map(|time| time.map(|time| day(Some(time))));
    let mut sums: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for order in shop.orders.values().filter(|order| !is_sold(order)) {
        let cause = order.cancel_cause().as_str_name();
        if chosen(&request.cause, cause) && within(day(order.order_time), since, until) {
            let sum = sums.entry((cause, currency(&order.total))).or_default();
            *sum = (sum.0 + 1, sum.1 + minor(&order.total));
        }
    }
    let rows = sums.into_iter().map(|((cause, currency_code), (orders, total_minor))| CancelledOrdersRow {
        cause: cause.to_owned(),
        currency_code,
        orders,
        total_minor,
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| Reverse(row.orders));
    CancelledOrdersResponse { rows }
}
