//! Each insight against API composition: the same answer, by calling the services and joining what they say in the
//! client. Where an answer is about one thing, it is fetched by its id, all services at once; where it is about many,
//! the lists that it needs are read side by side, in pages as large as services give.
//!
//! Both sides are asked in turns, of a mesh at rest, and must answer the same.

use std::{future::Future, time::Duration, time::Instant};

use futures::future::BoxFuture;
use mesh_tests::{
    binaries,
    clients::Clients,
    lists,
    read_model::{Entities, expected},
    supervised::Supervised,
};
use serde_json::json;
use shop_proto::{
    catalog::v1::BatchGetProductsRequest,
    customers::v1::GetCustomerRequest,
    insights::v1::{
        CancelledOrdersRequest, Customer360Request, CustomerOverviewRequest, FulfilmentTimesRequest,
        OrderDetailsRequest, PaymentFailuresRequest, RepeatCustomersRequest, RevenueByRegionRequest,
        StockCoverRequest, TopProductsRequest, insights_client::InsightsClient,
    },
    orders::v1::GetOrderRequest,
    payments::v1::GetPaymentRequest,
    shipping::v1::GetShipmentRequest,
};
use tokio::process::Command;
use tonic::{
    Code, Response, Status,
    transport::{Channel, Endpoint},
};

use super::median;

/// Orders that there are when insights are asked for.
const SIZES: [u64; 2] = [10_000, 100_000];
/// How often each side is asked.
const ROUNDS: usize = 7;

/// Measures every insight at every size.
pub(crate) async fn measure() {
    let mesh = Supervised::start().await;
    let clients = mesh.clients();
    let url = format!("http://{}", mesh.address("query-gateway"));
    let insights = InsightsClient::new(Endpoint::from_shared(url).unwrap().connect_lazy())
        .max_decoding_message_size(16 << 20);
    for orders in SIZES {
        fill(mesh.host(), orders).await;
        clients.wait_at_rest().await;
        compare(&Shop { clients: clients.clone(), insights: insights.clone(), orders }).await;
    }
}

/// Fills it up to that many orders: what a smaller run of the same seed did counts.
async fn fill(host: &str, orders: u64) {
    let status = Command::new(binaries::path("tributary"))
        .args(["load", "shop", "--host", host, "--rate", "0", "--seed", "1", "--orders", &orders.to_string()])
        .status();
    assert!(status.await.unwrap().success(), "the shop is filled");
}

struct Shop {
    clients: Clients,
    insights: InsightsClient<Channel>,
    orders: u64,
}

macro_rules! compare {
    ($shop:ident, $method:ident, $request:expr, $gateway:ident, $needs:expr) => {{
        let request = $request;
        let ask = async || $shop.insights.clone().$gateway(request.clone()).await.map(Response::into_inner);
        let compose = async || {
            let entities = $needs.await?;
            Ok(expected::$method(&entities, &request))
        };
        $shop.time(stringify!($method), ask, compose).await;
    }};
}

async fn compare(shop: &Shop) {
    let orders = lists::orders(&shop.clients).await.unwrap();
    let (order_id, order) = orders.iter().nth(orders.len() / 2).unwrap();
    let customer_id = order.customer_id.clone();
    let details = OrderDetailsRequest { order_id: order_id.clone() };
    let ask = async || shop.insights.clone().order_details(details.clone()).await.map(Response::into_inner);
    let compose = async || {
        let entities = shop.one_order(&details.order_id).await?;
        expected::order_details(&entities, &details).ok_or_else(|| Status::not_found("no such order"))
    };
    shop.time("order_details", ask, compose).await;
    let request = Customer360Request { customer_id: customer_id.clone(), limit: 10 };
    let ask = async || shop.insights.clone().customer360(request.clone()).await.map(Response::into_inner);
    let compose = async || {
        let entities = shop.one_customer(&request.customer_id).await?;
        expected::customer_360(&entities, &request).ok_or_else(|| Status::not_found("no such customer"))
    };
    shop.time("customer_360", ask, compose).await;
    let request = CustomerOverviewRequest { customer_id };
    let ask =
        async || shop.insights.clone().customer_overview(request.clone()).await.map(Response::into_inner);
    let compose = async || {
        let entities = shop.one_customer(&request.customer_id).await?;
        Ok(expected::customer_overview(&entities, &request.customer_id))
    };
    shop.time("customer_overview", ask, compose).await;
    let by_region = RevenueByRegionRequest::default();
    compare!(shop, revenue_by_region, by_region.clone(), revenue_by_region, shop.lists("co"));
    compare!(shop, top_products, TopProductsRequest::default(), top_products, shop.lists("po"));
    compare!(shop, stock_cover, StockCoverRequest::default(), stock_cover, shop.lists("ipo"));
    let times = FulfilmentTimesRequest::default();
    compare!(shop, fulfilment_times, times.clone(), fulfilment_times, shop.lists("cos"));
    let failures = PaymentFailuresRequest::default();
    compare!(shop, payment_failures, failures.clone(), payment_failures, shop.lists("cm"));
    let repeat = RepeatCustomersRequest::default();
    compare!(shop, repeat_customers, repeat, repeat_customers, shop.lists("o"));
    let cancelled = CancelledOrdersRequest::default();
    compare!(shop, cancelled_orders, cancelled.clone(), cancelled_orders, shop.lists("o"));
}

impl Shop {
    /// The lists named by their letters, side by side: customers, products, stock items, orders, money, shipments.
    fn lists<'a>(&'a self, letters: &'a str) -> BoxFuture<'a, Result<Entities, Status>> {
        Box::pin(self.side_by_side(letters))
    }

    async fn side_by_side(&self, letters: &str) -> Result<Entities, Status> {
        let clients = &self.clients;
        let wants = |letter| letters.contains(letter);
        let (customers, products, stock_items, orders, payments, shipments) = tokio::try_join!(
            wanted(wants('c'), lists::customers(clients)),
            wanted(wants('p'), lists::products(clients)),
            wanted(wants('i'), lists::stock_items(clients)),
            wanted(wants('o'), lists::orders(clients)),
            wanted(wants('m'), lists::payments(clients)),
            wanted(wants('s'), lists::shipments(clients)),
        )?;
        Ok(Entities { customers, products, stock_items, orders, payments, shipments })
    }

    /// By id, in two rounds: customer and products are known only from the order.
    async fn one_order(&self, id: &str) -> Result<Entities, Status> {
        let id = id.to_owned();
        let (mut orders, mut payments, mut shipping) =
            (self.clients.orders.clone(), self.clients.payments.clone(), self.clients.shipping.clone());
        let (order, payment, shipment) = tokio::try_join!(
            found(orders.get_order(GetOrderRequest { order_id: id.clone() })),
            found(payments.get_payment(GetPaymentRequest { payment_id: id.clone() })),
            found(shipping.get_shipment(GetShipmentRequest { shipment_id: id.clone() })),
        )?;
        let Some(order) = order else { return Ok(Entities::default()) };
        let (mut customers, mut catalog) = (self.clients.customers.clone(), self.clients.catalog.clone());
        let skus = order.lines.iter().map(|line| line.sku.clone()).collect();
        let (customer, products) = tokio::try_join!(
            found(customers.get_customer(GetCustomerRequest { customer_id: order.customer_id.clone() })),
            found(catalog.batch_get_products(BatchGetProductsRequest { skus })),
        )?;
        let products = products.map(|response| response.products).unwrap_or_default();
        Ok(Entities {
            customers: customer.into_iter().map(|item| (item.customer_id.clone(), item)).collect(),
            products: products.into_iter().map(|item| (item.sku.clone(), item)).collect(),
            orders: [(id.clone(), order)].into(),
            payments: payment.into_iter().map(|item| (id.clone(), item)).collect(),
            shipments: shipment.into_iter().map(|item| (id.clone(), item)).collect(),
            ..Entities::default()
        })
    }

    /// No service finds what belongs to a customer: their lists are read.
    async fn one_customer(&self, id: &str) -> Result<Entities, Status> {
        let mut customers = self.clients.customers.clone();
        let request = GetCustomerRequest { customer_id: id.to_owned() };
        let (customer, lists) = tokio::try_join!(found(customers.get_customer(request)), self.lists("oms"))?;
        let customers = customer.into_iter().map(|item| (item.customer_id.clone(), item)).collect();
        Ok(Entities { customers, ..lists })
    }

    /// Asks both sides in turns, and prints how long each took.
    async fn time<T: PartialEq + std::fmt::Debug>(
        &self,
        insight: &str,
        ask: impl AsyncFn() -> Result<T, Status>,
        compose: impl AsyncFn() -> Result<T, Status>,
    ) {
        let (mut asked, mut composed) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (answer, time) = timed(&ask).await;
            asked.push(time.as_secs_f64());
            let (composition, time) = timed(&compose).await;
            composed.push(time.as_secs_f64());
            assert_eq!(answer, composition, "{insight}");
        }
        let (asked, composed) = (median(asked), median(composed));
        let ms = |seconds: f64| (seconds * 100_000.0).round() / 100.0;
        println!(
            "{}",
            json!({"bench": "composition", "insight": insight, "orders": self.orders, "gateway_ms": ms(asked),
                "composition_ms": ms(composed), "ratio": (composed / asked * 100.0).round() / 100.0})
        );
    }
}

async fn timed<T>(ask: &impl AsyncFn() -> Result<T, Status>) -> (T, Duration) {
    let start = Instant::now();
    let answer = ask().await.unwrap();
    (answer, start.elapsed())
}

async fn wanted<T: Default>(
    wanted: bool,
    list: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    if wanted { list.await } else { Ok(T::default()) }
}

async fn found<T>(get: impl Future<Output = Result<Response<T>, Status>>) -> Result<Option<T>, Status> {
    match get.await {
        Ok(response) => Ok(Some(response.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}
