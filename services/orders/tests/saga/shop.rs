//! A whole shop around the orders service.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser as _;
use orders::{Hooks, Mutant, WriteFault};
use shop_proto::{
    catalog::v1::{CreateProductRequest, Product, catalog_client::CatalogClient},
    customers::v1::{CreateCustomerRequest, Customer, customers_client::CustomersClient},
    money::v1::Money,
    orders::v1::{
        CancelOrderRequest, GetOrderRequest, Order, OrderState, PlaceOrderRequest,
        orders_client::OrdersClient, place_order_request::Line,
    },
    shipping::v1::{self as shipping, Shipment, ShipmentState},
};
use tempfile::TempDir;
use tokio::{sync::Mutex, task::JoinHandle};
use tonic::{Code, Status, transport::Channel};
use tributary_chassis::testing::{Role, Running, StandIn};

use super::{
    service::Service,
    standins::{Action, Fault, Faults, Standins, When, World},
};

/// Of one piece of anything.
pub(crate) const PRICE: i64 = 2500;
/// What is on the shelf of each product that is plenty.
pub(crate) const PLENTY: i64 = 1_000_000;
/// How long a step may take: long enough for a machine that is busy.
const STEP_TIMEOUT: &str = "700ms";
/// Longest wait for an order to come to its end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `None` while it is away.
type Shipping = Arc<std::sync::Mutex<Option<StandIn>>>;

/// Everything that an order needs; what follows actions ends with it.
pub(crate) struct Shop {
    pub(crate) client: OrdersClient<Channel>,
    pub(crate) world: World,
    shipping: Shipping,
    pub(crate) service: Arc<Mutex<Service>>,
    outside: JoinHandle<()>,
    _others: (Running, Running, TempDir, TempDir),
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.outside.abort();
    }
}

impl Shop {
    /// With the service inside of the test, so that its own writes can fail and defects be switched on.
    pub(crate) async fn inside(mutant: Option<Mutant>) -> Self {
        Self::start(Some(mutant)).await
    }

    /// With the service as a process that can be killed.
    pub(crate) async fn process() -> Self {
        Self::start(None).await
    }

    async fn start(inside: Option<Option<Mutant>>) -> Self {
        let standins = Standins::start().await;
        let shipping = StandIn::start(Role {
            service: "shipping",
            entities: &["shipments"],
            descriptors: || shipping::FILE_DESCRIPTOR_SET,
        })
        .await;
        let (customers_dir, catalog_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let customers = Running::start("customers", customers_dir.path(), |server| {
            customers::start(customers::Config::parse_from(["customers"]), server)
        })
        .await;
        let catalog = Running::start("catalog", catalog_dir.path(), |server| {
            catalog::start(catalog::Config::parse_from(["catalog"]), server)
        })
        .await;
        offer(&customers, &catalog).await;
        let world = standins.world.clone();
        for (sku, quantity) in [("teapot", PLENTY), ("saw", PLENTY), ("rare", 0)] {
            world.state().goods.receive(sku, quantity);
        }
        let partner = standins.url();
        let shipping_url = shipping.url();
        let shipping: Shipping = Arc::new(std::sync::Mutex::new(Some(shipping)));
        let flags = [
            "orders",
            "--customers",
            customers.url(),
            "--catalog",
            catalog.url(),
            "--inventory",
            &partner,
            "--payments",
            &partner,
            "--shipping",
            &shipping_url,
            "--saga-step-timeout",
            STEP_TIMEOUT,
            "--saga-stuck-after",
            "1s",
        ]
        .map(str::to_owned)
        .to_vec();
        let service = match inside {
            Some(mutant) => Service::inside(flags, hooks(mutant, world.faults.clone())).await,
            None => Service::process(flags).await,
        };
        let client = OrdersClient::new(service.channel());
        let service = Arc::new(Mutex::new(service));
        let actions = world.faults.actions();
        let outside = tokio::spawn(act(actions, client.clone(), service.clone(), shipping.clone()));
        let others = (customers, catalog, customers_dir, catalog_dir);
        Self { client, world, shipping, service, outside, _others: others }
    }

    /// Places an order; again under its request id when the service went away meanwhile.
    pub(crate) async fn place(&self, order_id: &str, sku: &str, quantity: i64, token: &str) -> Order {
        let request = PlaceOrderRequest {
            request_id: format!("place-{order_id}"),
            order_id: order_id.to_owned(),
            customer_id: "ada".to_owned(),
            lines: vec![Line { sku: sku.to_owned(), quantity }],
            payment_token: token.to_owned(),
            ..PlaceOrderRequest::default()
        };
        patiently(|| async { self.client.clone().place_order(request.clone()).await }).await.unwrap()
    }

    pub(crate) async fn cancel(&self, order_id: &str) -> Result<Order, Status> {
        cancel(&self.client, order_id).await
    }

    pub(crate) async fn get(&self, order_id: &str) -> Order {
        let request = || GetOrderRequest { order_id: order_id.to_owned() };
        patiently(|| async { self.client.clone().get_order(request()).await }).await.unwrap()
    }

    /// The order as soon as it is in one of these states; `None` when that takes too long.
    pub(crate) async fn reaches(&self, order_id: &str, states: &[OrderState]) -> Option<Order> {
        let begin = Instant::now();
        loop {
            let order = self.get(order_id).await;
            if states.contains(&order.state()) {
                return Some(order);
            }
            if begin.elapsed() > PATIENCE {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops orders in order, and starts it again on what `meanwhile` has made of its store.
    pub(crate) async fn while_stopped(&mut self, meanwhile: impl AsyncFnOnce(&Path)) {
        let mut service = self.service.lock().await;
        service.while_stopped(meanwhile).await;
        self.client = OrdersClient::new(service.channel());
    }

    /// As shipping does it.
    pub(crate) fn ship(&self, order_id: &str, state: ShipmentState) {
        ship(&self.shipping, order_id, state);
    }

    /// Shipping goes away, keeps no history, and comes back when `meanwhile` is over.
    pub(crate) async fn without_shipping(&self, meanwhile: impl Future<Output = ()>) {
        let shipping = self.shipping.lock().unwrap().take().unwrap();
        shipping.forget();
        let away = shipping.stop().await;
        meanwhile.await;
        let back = away.back().await;
        *self.shipping.lock().unwrap() = Some(back);
    }
}

fn ship(shipping: &Shipping, order_id: &str, state: ShipmentState) {
    let shipment = Shipment {
        shipment_id: order_id.to_owned(),
        order_id: order_id.to_owned(),
        state: state.into(),
        ..Shipment::default()
    };
    shipping.lock().unwrap().as_ref().expect("shipping").put("shipments", order_id, &shipment);
}

/// A customer, and products.
async fn offer(customers: &Running, catalog: &Running) {
    let customer =
        Customer { display_name: "Ada".to_owned(), region: "EUROPE".to_owned(), ..Customer::default() };
    let request = CreateCustomerRequest {
        customer_id: "ada".to_owned(),
        customer: Some(customer),
        ..CreateCustomerRequest::default()
    };
    CustomersClient::new(customers.channel()).create_customer(request).await.unwrap();
    // Nobody has a stock of gift cards.
    for sku in ["teapot", "saw", "rare", "gift-card"] {
        let product = Product {
            display_name: sku.to_owned(),
            category: "KITCHEN".to_owned(),
            price: Some(Money { currency_code: "EUR".to_owned(), minor_units: PRICE }),
            ..Product::default()
        };
        let request =
            CreateProductRequest { sku: sku.to_owned(), product: Some(product), ..Default::default() };
        CatalogClient::new(catalog.channel()).create_product(request).await.unwrap();
    }
}

/// What is planned for the own writes of an order is planned with all else.
fn hooks(mutant: Option<Mutant>, faults: Faults) -> Hooks {
    Hooks::mutant(mutant).on_write(move |order_id, step| match faults.take(order_id, step) {
        None => WriteFault::None,
        Some(Fault::Fails(When::Before)) => WriteFault::Before,
        Some(Fault::Fails(When::After)) => WriteFault::After,
        Some(Fault::Twice) => WriteFault::Twice,
        Some(other) => panic!("{other:?} cannot happen to an own write"),
    })
}

/// Does what has to be done outside while a call waits.
async fn act(
    mut actions: tokio::sync::mpsc::UnboundedReceiver<Action>,
    client: OrdersClient<Channel>,
    service: Arc<Mutex<Service>>,
    shipping: Shipping,
) {
    while let Some(Action { order_id, fault, done }) = actions.recv().await {
        match fault {
            Fault::Cancel(_) => {
                // The step may have been asked again meanwhile, by who did not want to wait ...
                match cancel(&client, &order_id).await {
                    // ... so that the order was confirmed, and has a shipment ...
                    Ok(order) if order.confirm_time.is_some() => {
                        ship(&shipping, &order_id, ShipmentState::Cancelled);
                    }
                    Ok(_) => {}
                    // ... or was given up by itself.
                    Err(status) => assert_eq!(status.code(), Code::FailedPrecondition, "{status}"),
                }
            }
            Fault::Kill(_) => service.lock().await.kill().await,
            other => panic!("{other:?} is not for outside"),
        }
        let _who_was_killed_has_gone = done.send(());
    }
}

async fn cancel(client: &OrdersClient<Channel>, order_id: &str) -> Result<Order, Status> {
    let request = CancelOrderRequest {
        request_id: format!("cancel-{order_id}"),
        order_id: order_id.to_owned(),
        ..CancelOrderRequest::default()
    };
    patiently(|| async { client.clone().cancel_order(request.clone()).await }).await
}

/// Again as long as the service is away: it is killed in the middle of calls.
async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<tonic::Response<T>, Status>>,
{
    let begin = Instant::now();
    loop {
        match call().await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status)
                if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled)
                    && begin.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(status) => return Err(status),
        }
    }
}
