//! The orders service as its callers see it: real gRPC, a real store in a temporary directory or, in the program of that
//! name, on PostgreSQL, the real customers and catalog beside it, and stand-ins of inventory and payments.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

mod agreement;
mod feed;
mod fields;
mod life;
mod pages;
mod repetition;
#[path = "../standins/all.rs"]
mod standins;
mod upstream;
mod waiting;

use std::time::{Duration, Instant};

use clap::Parser as _;
use shop_proto::{
    catalog::v1::{CreateProductRequest, Product, catalog_client::CatalogClient},
    customers::v1::{CreateCustomerRequest, Customer, customers_client::CustomersClient},
    money::v1::Money,
    orders::v1::{
        CancelOrderRequest, DeleteOrderRequest, GetOrderRequest, Order, OrderState, PlaceOrderRequest,
        UpdateOrderRequest, orders_client::OrdersClient, place_order_request::Line,
    },
};
use standins::Standins;
use tempfile::TempDir;
use test_prerequisites::postgres::store_flags;
use tonic::{Code, Response, Status, transport::Channel};
use tributary_chassis::{
    fault::Reason,
    testing::{Running, refusal},
};

/// Where nobody answers: a port that needs more rights than a test has, or should use.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Longest wait for an order to get somewhere.
const PATIENCE: Duration = Duration::from_secs(30);

/// The three services, each with a store of its own. One customer, `ada`; two products, `teapot` and
/// `saw`. Inventory and payments are away until they are called back: what is placed stays so.
struct Shop {
    orders: OrdersClient<Channel>,
    customers: CustomersClient<Channel>,
    catalog: CatalogClient<Channel>,
    partners: Standins,
    running: [Running; 3],
    dirs: [TempDir; 3],
}

impl Shop {
    async fn start() -> Self {
        let shop = Self::start_in([(); 3].map(|()| TempDir::new().unwrap())).await;
        shop.add_customer("ada").await;
        shop.add_product("teapot", "EUR", 2500).await;
        shop.add_product("saw", "EUR", 1999).await;
        shop
    }

    async fn start_in(dirs: [TempDir; 3]) -> Self {
        let customers = Running::start("customers", dirs[0].path(), |server| {
            customers::start(customers::Config::parse_from(["customers"]), server)
        })
        .await;
        let catalog = Running::start("catalog", dirs[1].path(), |server| {
            catalog::start(catalog::Config::parse_from(["catalog"]), server)
        })
        .await;
        let partners = Standins::start().await;
        partners.world.faults.set_away(true);
        let orders = orders(&dirs[2], customers.url(), catalog.url(), &partners.url()).await;
        Self {
            orders: OrdersClient::new(orders.channel()),
            customers: CustomersClient::new(customers.channel()),
            catalog: CatalogClient::new(catalog.channel()),
            partners,
            running: [customers, catalog, orders],
            dirs,
        }
    }

    async fn restart(self) -> Self {
        for running in self.running {
            running.stop().await;
        }
        Self::start_in(self.dirs).await
    }

    async fn add_customer(&self, id: &str) {
        let customer =
            Customer { display_name: id.to_owned(), region: "EUROPE".to_owned(), ..Customer::default() };
        let request = CreateCustomerRequest {
            request_id: String::new(),
            customer_id: id.to_owned(),
            customer: Some(customer),
        };
        self.customers.clone().create_customer(request).await.unwrap();
    }

    async fn add_product(&self, sku: &str, currency_code: &str, minor_units: i64) {
        let product = Product {
            display_name: format!("Name of {sku}"),
            category: "KITCHEN".to_owned(),
            price: Some(Money { currency_code: currency_code.to_owned(), minor_units }),
            ..Product::default()
        };
        let request =
            CreateProductRequest { request_id: String::new(), sku: sku.to_owned(), product: Some(product) };
        self.catalog.clone().create_product(request).await.unwrap();
    }

    async fn place(&self, request: PlaceOrderRequest) -> Result<Order, Status> {
        self.place_with_metadata(request).await.map(Response::into_inner)
    }

    async fn place_with_metadata(&self, request: PlaceOrderRequest) -> Result<Response<Order>, Status> {
        self.orders.clone().place_order(request).await
    }

    async fn update(&self, request: UpdateOrderRequest) -> Result<Order, Status> {
        self.orders.clone().update_order(request).await.map(Response::into_inner)
    }

    async fn cancel(&self, request: CancelOrderRequest) -> Result<Order, Status> {
        self.orders.clone().cancel_order(request).await.map(Response::into_inner)
    }

    async fn delete(&self, request: DeleteOrderRequest) -> Result<(), Status> {
        self.orders.clone().delete_order(request).await.map(Response::into_inner)
    }

    /// Inventory and payments are back: what was placed goes on.
    fn call_partners_back(&self) {
        self.partners.world.faults.set_away(false);
    }

    /// The order as soon as it is in this state.
    async fn reaches(&self, order_id: &str, state: OrderState) -> Order {
        let begin = Instant::now();
        loop {
            let order = self.get(order_id).await.unwrap();
            if order.state() == state {
                return order;
            }
            assert!(begin.elapsed() < PATIENCE, "not {state:?}: {order:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Cancels an order, and waits until that is done.
    async fn cancelled(&self, order_id: &str) -> Order {
        self.cancel(cancel(order_id)).await.unwrap();
        self.call_partners_back();
        self.reaches(order_id, OrderState::Cancelled).await
    }

    async fn get(&self, order_id: &str) -> Result<Order, Status> {
        let request = GetOrderRequest { order_id: order_id.to_owned() };
        self.orders.clone().get_order(request).await.map(Response::into_inner)
    }
}

/// The orders service, with others at these URLs; shipping is nowhere.
async fn orders(dir: &TempDir, customers: &str, catalog: &str, partners: &str) -> Running {
    let flags = [
        "orders",
        "--customers",
        customers,
        "--catalog",
        catalog,
        "--inventory",
        partners,
        "--payments",
        partners,
        "--shipping",
        NOWHERE,
    ];
    let store = store_flags(env!("CARGO_CRATE_NAME"), dir.path()).await;
    let config = orders::Config::parse_from(flags.map(str::to_owned).into_iter().chain(store));
    Running::start("orders", dir.path(), |server| orders::start(config, server)).await
}

fn lines(lines: &[(&str, i64)]) -> Vec<Line> {
    lines.iter().map(|(sku, quantity)| Line { sku: (*sku).to_owned(), quantity: *quantity }).collect()
}

fn place(order_id: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        order_id: order_id.to_owned(),
        customer_id: "ada".to_owned(),
        lines: lines(&[("teapot", 2), ("saw", 1)]),
        ..PlaceOrderRequest::default()
    }
}

/// Without a mask.
fn annotate(order_id: &str, note: &str) -> UpdateOrderRequest {
    let order = Order { order_id: order_id.to_owned(), note: note.to_owned(), ..Order::default() };
    UpdateOrderRequest { order: Some(order), ..UpdateOrderRequest::default() }
}

fn cancel(order_id: &str) -> CancelOrderRequest {
    CancelOrderRequest {
        order_id: order_id.to_owned(),
        reason: "too late".to_owned(),
        ..CancelOrderRequest::default()
    }
}

fn delete(order_id: &str) -> DeleteOrderRequest {
    DeleteOrderRequest { order_id: order_id.to_owned(), ..DeleteOrderRequest::default() }
}
