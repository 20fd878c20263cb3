//! Each insight, asked for in each way there is, against what it must be.

use std::{collections::BTreeSet, fmt::Debug};

use prost_types::Timestamp;
use shop_proto::insights::v1::{
    CancelledOrdersRequest, Customer360Request, CustomerOverviewRequest, FulfilmentTimesRequest,
    OrderDetailsRequest, PaymentFailuresRequest, RepeatCustomersRequest, RevenueByRegionRequest,
    StockCoverRequest, TopProductsRequest,
};

use super::{Played, expected, played::found};

/// Asks one insight, and holds the answer to what is computed; adds to how many rows there were.
macro_rules! hold {
    ($shop:ident, $rows:ident, $method:ident, $request:expr) => {{
        let request = $request;
        let answer = $shop.insights.clone().$method($shop.cast.behind(request.clone())).await;
        let found = found(answer).expect("an answer with rows");
        let expected = expected::$method(&$shop.cast.entities, &request);
        $rows += expected.rows.len();
        same(stringify!($method), &request, &found, &expected)?;
    }};
}

/// Compares all insights: how many rows and messages were alike, or the first answer that is another.
pub async fn compare(shop: &Played) -> Result<usize, String> {
    Ok(one_by_one(shop).await? + sales(shop).await? + times(shop).await?)
}

async fn one_by_one(shop: &Played) -> Result<usize, String> {
    let mut alike = 0;
    let nobody = "nobody".to_owned();
    for id in shop.cast.entities.customers.keys().chain([&nobody]) {
        for limit in [0, 2] {
            let request = Customer360Request { customer_id: id.clone(), limit };
            let answer = found(shop.insights.clone().customer360(shop.cast.behind(request.clone())).await);
            let expected = expected::customer_360(&shop.cast.entities, &request);
            same("customer_360", &request, &answer, &expected)?;
            alike += 1;
        }
        let request = CustomerOverviewRequest { customer_id: id.clone() };
        let answer = found(shop.insights.clone().customer_overview(shop.cast.behind(request.clone())).await);
        let expected = expected::customer_overview(&shop.cast.entities, id);
        same("customer_overview", &request, &answer, &Some(expected))?;
        alike += 1;
    }
    for id in shop.cast.entities.orders.keys().chain([&nobody]) {
        let request = OrderDetailsRequest { order_id: id.clone() };
        let answer = found(shop.insights.clone().order_details(shop.cast.behind(request.clone())).await);
        let expected = expected::order_details(&shop.cast.entities, &request);
        same("order_details", &request, &answer, &expected)?;
        alike += 1;
    }
    Ok(alike)
}

async fn sales(shop: &Played) -> Result<usize, String> {
    let mut rows = 0;
    let request = CustomerOverviewRequest::default();
    let answer = found(shop.insights.clone().customer_overview(shop.cast.behind(request.clone())).await);
    let expected = expected::customer_overview(&shop.cast.entities, "");
    rows += expected.rows.len();
    same("customer_overview", &request, &answer, &Some(expected))?;
    for region in or_all(shop.cast.entities.customers.values().map(|customer| &customer.region)) {
        hold!(shop, rows, revenue_by_region, RevenueByRegionRequest { region, ..Default::default() });
    }
    for category in or_all(shop.cast.entities.products.values().map(|product| &product.category)) {
        let request = RevenueByRegionRequest { category: category.clone(), ..Default::default() };
        hold!(shop, rows, revenue_by_region, request);
        hold!(shop, rows, top_products, TopProductsRequest { category, limit: 3 });
    }
    hold!(shop, rows, top_products, TopProductsRequest::default());
    for sku in or_all(shop.cast.entities.stock_items.keys()) {
        hold!(shop, rows, stock_cover, StockCoverRequest { sku, ..Default::default() });
    }
    for as_of in some_times(shop) {
        for days in [1, 40] {
            hold!(shop, rows, stock_cover, StockCoverRequest { sku: String::new(), days, as_of });
        }
    }
    for segment in or_all(shop.cast.entities.customers.values().map(|customer| &customer.segment)) {
        hold!(shop, rows, payment_failures, PaymentFailuresRequest { segment });
    }
    for cause in ["", "REQUESTED", "OUT_OF_STOCK", "CANCEL_CAUSE_UNSPECIFIED"].map(str::to_owned) {
        hold!(shop, rows, cancelled_orders, CancelledOrdersRequest { cause, ..Default::default() });
    }
    Ok(rows)
}

async fn times(shop: &Played) -> Result<usize, String> {
    let mut rows = 0;
    for region in or_all(shop.cast.entities.customers.values().map(|customer| &customer.region)) {
        hold!(shop, rows, fulfilment_times, FulfilmentTimesRequest { region, ..Default::default() });
    }
    for since in some_times(shop) {
        for until in some_times(shop) {
            let region = String::new();
            hold!(shop, rows, fulfilment_times, FulfilmentTimesRequest { region, since, until });
            let cause = String::new();
            hold!(shop, rows, cancelled_orders, CancelledOrdersRequest { cause, since, until });
            hold!(shop, rows, repeat_customers, RepeatCustomersRequest { since, until });
        }
    }
    Ok(rows)
}

/// Each once, and all of them at once.
fn or_all<'a>(values: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    values.cloned().chain([String::new()]).collect()
}

/// None, and those of the first order and of one in the middle.
fn some_times(shop: &Played) -> Vec<Option<Timestamp>> {
    let mut times: Vec<_> = shop.cast.entities.orders.values().filter_map(|order| order.order_time).collect();
    times.sort_by_key(|time| (time.seconds, time.nanos));
    let middle = times.get(times.len() / 2).copied();
    let mut some = vec![None, times.first().copied(), middle];
    some.dedup();
    some
}

fn same<T: PartialEq + Debug>(
    method: &str,
    request: &impl Debug,
    found: &T,
    expected: &T,
) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{method} of {request:?}\nfound    {found:#?}\nexpected {expected:#?}"))
}
