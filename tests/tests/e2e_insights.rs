//! The shop's read model, where the decisions are: what a day is, what counts, how currencies stay apart, and
//! what becomes of the money when a customer or a product is deleted or renamed.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use mesh_tests::{
    clients::{Clients, metadata, place_order, positions},
    mesh::Mesh,
};
use prost_types::{FieldMask, Timestamp};
use shop_proto::{
    catalog::v1::{CreateProductRequest, DeleteProductRequest, Product, UpdateProductRequest},
    customers::v1::DeleteCustomerRequest,
    insights::v1::{
        CustomerOverviewRequest, RevenueByRegionRequest, TopProductsRequest, insights_client::InsightsClient,
    },
    money::v1::Money,
    orders::v1::{CancelOrderRequest, PlaceOrderRequest},
};
use tonic::{Request, transport::Channel};
use tributary_chassis::position::{AFTER, Positions};

/// 2026-01-02 00:00 UTC.
const MIDNIGHT: i64 = 1_767_312_000;
const DAY: i64 = 24 * 60 * 60;

/// A mesh, and how far it was written.
struct Shop {
    clients: Clients,
    insights: InsightsClient<Channel>,
    after: Positions,
    _mesh: Mesh,
}

impl Shop {
    /// Ada buys in two currencies, around midnight, and cancels once; Bob never buys.
    async fn start() -> Self {
        let mesh = Mesh::start().await;
        let (clients, insights) = (mesh.clients(), InsightsClient::new(mesh.gateway.channel()));
        let mut shop = Self { clients, insights, after: Positions::default(), _mesh: mesh };
        for (id, region) in [("ada", "EUROPE"), ("bob", "ASIA")] {
            let reply = shop.clients.create_customer(id, region).await.unwrap();
            shop.after.merge_all(&positions(&reply));
        }
        shop.clients.create_product("teapot", "KITCHEN", 2500).await.unwrap();
        shop.add_dollar_product("saw", 300).await;
        let before = Timestamp { seconds: MIDNIGHT - 1, nanos: 999_999_999 };
        let behind = Timestamp { seconds: MIDNIGHT, nanos: 0 };
        shop.order("o-1", &[("teapot", 1), ("teapot", 2)], before).await;
        shop.order("o-2", &[("teapot", 4)], behind).await;
        shop.order("o-3", &[("saw", 5)], behind).await;
        shop.order("o-4", &[("saw", 1_000)], behind).await;
        let cancel = CancelOrderRequest { order_id: "o-4".to_owned(), ..CancelOrderRequest::default() };
        shop.clients.orders.clone().cancel_order(cancel).await.unwrap();
        shop.after.merge_all(&positions(&shop.clients.settled("o-4").await));
        shop
    }

    async fn add_dollar_product(&mut self, sku: &str, cents: i64) {
        let product = Product {
            display_name: format!("Name of {sku}"),
            category: "TOOLS".to_owned(),
            price: Some(Money { currency_code: "USD".to_owned(), minor_units: cents }),
            ..Product::default()
        };
        let request = CreateProductRequest {
            sku: sku.to_owned(),
            product: Some(product),
            ..CreateProductRequest::default()
        };
        let reply = self.clients.catalog.clone().create_product(request).await.unwrap();
        self.after.merge_all(&positions(&reply));
    }

    async fn order(&mut self, id: &str, lines: &[(&str, i64)], time: Timestamp) {
        let request = PlaceOrderRequest { order_time: Some(time), ..place_order("", id, "ada", lines) };
        let reply = self.clients.orders.clone().place_order(request).await.unwrap();
        self.after.merge_all(&positions(&reply));
    }

    fn behind<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(AFTER, metadata(&self.after.to_string()));
        request
    }

    /// Region, category, day after midnight, currency, orders, units, revenue.
    async fn revenue(&self, region: &str) -> Vec<(String, String, i64, String, i64, i64, i64)> {
        let request = RevenueByRegionRequest { region: region.to_owned(), ..Default::default() };
        let reply = self.insights.clone().revenue_by_region(self.behind(request)).await.unwrap();
        let day = |time: Option<Timestamp>| (time.unwrap().seconds - MIDNIGHT) / DAY;
        let rows = reply.into_inner().rows.into_iter();
        rows.map(|r| (r.region, r.category, day(r.day), r.currency_code, r.orders, r.units, r.revenue_minor))
            .collect()
    }

    /// Sku, name, category, currency, orders, units, revenue.
    async fn top(&self, limit: i64) -> Vec<[String; 7]> {
        let request = TopProductsRequest { limit, ..TopProductsRequest::default() };
        let reply = self.insights.clone().top_products(self.behind(request)).await.unwrap();
        let rows = reply.into_inner().rows.into_iter();
        rows.map(|r| {
            let [orders, units, revenue] = [r.orders, r.units, r.revenue_minor].map(|n| n.to_string());
            [r.sku, r.display_name, r.category, r.currency_code, orders, units, revenue]
        })
        .collect()
    }
}

fn row(
    region: &str,
    category: &str,
    day: i64,
    currency: &str,
    [orders, units, revenue]: [i64; 3],
) -> (String, String, i64, String, i64, i64, i64) {
    (region.to_owned(), category.to_owned(), day, currency.to_owned(), orders, units, revenue)
}

#[tokio::test(flavor = "multi_thread")]
async fn revenue_is_told_by_region_category_day_and_currency() {
    let shop = Shop::start().await;
    let expected = [
        row("EUROPE", "KITCHEN", -1, "EUR", [1, 3, 7500]),
        row("EUROPE", "KITCHEN", 0, "EUR", [1, 4, 10_000]),
        row("EUROPE", "TOOLS", 0, "USD", [1, 5, 1500]),
    ];
    assert_eq!(shop.revenue("").await, expected);
    assert_eq!(shop.revenue("ASIA").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_tells_currencies_apart() {
    let shop = Shop::start().await;
    let request = shop.behind(CustomerOverviewRequest::default());
    let rows = shop.insights.clone().customer_overview(request).await.unwrap().into_inner().rows;
    let revenue: Vec<Vec<_>> = rows
        .iter()
        .map(|r| r.revenue.iter().map(|r| (r.currency_code.as_str(), r.revenue_minor)).collect())
        .collect();
    assert_eq!(revenue, [vec![("EUR", 17_500), ("USD", 1500)], vec![]]);
    let last = Some(Timestamp { seconds: MIDNIGHT, nanos: 0 });
    let brief: Vec<_> = rows.iter().map(|r| (r.customer_id.as_str(), r.orders, r.last_order_time)).collect();
    assert_eq!(brief, [("ada", 3, last), ("bob", 0, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_does_not_vanish_with_a_customer_or_a_product() {
    let mut shop = Shop::start().await;
    let saw = ["saw", "Name of saw", "TOOLS", "USD", "1", "5", "1500"].map(str::to_owned);
    let teapot = ["teapot", "Name of teapot", "KITCHEN", "EUR", "2", "7", "17500"].map(str::to_owned);
    assert_eq!(shop.top(0).await, [teapot.clone(), saw.clone()]);
    assert_eq!(shop.top(1).await, std::slice::from_ref(&teapot));

    let customer = DeleteCustomerRequest { customer_id: "ada".to_owned(), ..Default::default() };
    let reply = shop.clients.customers.clone().delete_customer(customer).await.unwrap();
    shop.after.merge_all(&positions(&reply));
    let product = DeleteProductRequest { sku: "saw".to_owned(), ..DeleteProductRequest::default() };
    let reply = shop.clients.catalog.clone().delete_product(product).await.unwrap();
    shop.after.merge_all(&positions(&reply));
    let product =
        Product { sku: "teapot".to_owned(), display_name: "Samovar".to_owned(), ..Product::default() };
    let request = UpdateProductRequest {
        product: Some(product),
        update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
        ..UpdateProductRequest::default()
    };
    let reply = shop.clients.catalog.clone().update_product(request).await.unwrap();
    shop.after.merge_all(&positions(&reply));

    let renamed = ["teapot", "Samovar", "KITCHEN", "EUR", "2", "7", "17500"].map(str::to_owned);
    assert_eq!(shop.top(0).await, [renamed, saw]);
    let expected = [
        row("UNKNOWN", "KITCHEN", -1, "EUR", [1, 3, 7500]),
        row("UNKNOWN", "KITCHEN", 0, "EUR", [1, 4, 10_000]),
        row("UNKNOWN", "TOOLS", 0, "USD", [1, 5, 1500]),
    ];
    assert_eq!(shop.revenue("").await, expected);
}
