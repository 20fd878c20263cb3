//! The shipping service as its callers see it: real gRPC, a real store in a temporary directory, and the
//! feed of orders, played by the test.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod feed;
mod fields;
mod following;
mod life;
mod pages;
mod repetition;

use std::time::Duration;

use clap::Parser as _;
use prost_types::Timestamp;
use shipping::Config;
use shop_proto::{
    orders::v1::{FILE_DESCRIPTOR_SET as ORDERS, Order, OrderState},
    shipping::v1::{
        DeliverShipmentRequest, DispatchShipmentRequest, GetShipmentRequest, Shipment, ShipmentState,
        shipping_client::ShippingClient,
    },
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, transport::Channel};
use tributary_chassis::{
    fault::Reason,
    testing::{Role, Running, StandIn, refusal},
};

type Client = ShippingClient<Channel>;

/// Who plays orders.
const ROLE: Role = Role { service: "orders", entities: &["orders"], descriptors: || ORDERS };

/// Anything takes milliseconds; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service on a store of its own.
struct Service {
    client: Client,
    running: Running,
    dir: TempDir,
}

impl Service {
    /// Follows `orders`.
    async fn start(orders: &StandIn) -> Self {
        Self::start_in(TempDir::new().unwrap(), &orders.url()).await
    }

    async fn restart(self, orders: &StandIn) -> Self {
        Self::start_in(self.stop().await, &orders.url()).await
    }

    async fn stop(self) -> TempDir {
        self.running.stop().await;
        self.dir
    }

    async fn start_in(dir: TempDir, orders: &str) -> Self {
        let config = Config::parse_from(["shipping", "--orders", orders]);
        let start = |server| shipping::start(config, server);
        let running = Running::start("shipping", dir.path(), start).await;
        Self { client: Client::new(running.channel()), running, dir }
    }

    async fn get(&self, id: &str) -> Result<Shipment, Status> {
        let request = GetShipmentRequest { shipment_id: id.to_owned() };
        Ok(self.client.clone().get_shipment(request).await?.into_inner())
    }

    async fn dispatch(&self, request: DispatchShipmentRequest) -> Result<Shipment, Status> {
        Ok(self.client.clone().dispatch_shipment(request).await?.into_inner())
    }

    async fn deliver(&self, request: DeliverShipmentRequest) -> Result<Shipment, Status> {
        Ok(self.client.clone().deliver_shipment(request).await?.into_inner())
    }

    /// The shipment, as soon as it is in this state.
    async fn until(&self, id: &str, state: ShipmentState) -> Shipment {
        let waiting = async {
            loop {
                match self.get(id).await {
                    Ok(shipment) if shipment.state() == state => return shipment,
                    Err(status) if status.code() != Code::NotFound => panic!("{status}"),
                    _ => sleep(Duration::from_millis(2)).await,
                }
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{id} does not become {state:?}"))
    }

    /// Waits until everything that `orders` has published so far has had its effect: it takes its orders in
    /// turn, and this is one more.
    async fn caught_up(&self, orders: &StandIn, mark: &str) {
        publish(orders, &order(mark, OrderState::Confirmed));
        self.until(mark, ShipmentState::Pending).await;
    }
}

/// A service with these shipments, all PENDING, and who plays orders.
async fn with_shipments(ids: &[&str]) -> (Service, StandIn) {
    let orders = StandIn::start(ROLE).await;
    let service = Service::start(&orders).await;
    for id in ids {
        publish(&orders, &order(id, OrderState::Confirmed));
    }
    for id in ids {
        service.until(id, ShipmentState::Pending).await;
    }
    (service, orders)
}

/// An order of Ada's. All but those that are PLACED were confirmed.
fn order(id: &str, state: OrderState) -> Order {
    let confirmed = state != OrderState::Placed;
    Order {
        order_id: id.to_owned(),
        customer_id: "ada".to_owned(),
        state: state.into(),
        confirm_time: confirmed.then_some(Timestamp { seconds: 1_764_000_000, nanos: 0 }),
        ..Order::default()
    }
}

/// The same, without ever having been confirmed.
fn unconfirmed(id: &str, state: OrderState) -> Order {
    Order { confirm_time: None, ..order(id, state) }
}

fn publish(orders: &StandIn, order: &Order) -> u64 {
    orders.put("orders", &order.order_id, order)
}

fn dispatch(id: &str) -> DispatchShipmentRequest {
    DispatchShipmentRequest {
        shipment_id: id.to_owned(),
        carrier: "DHL".to_owned(),
        tracking_code: "JJD-7".to_owned(),
        ..DispatchShipmentRequest::default()
    }
}

fn deliver(id: &str) -> DeliverShipmentRequest {
    DeliverShipmentRequest { shipment_id: id.to_owned(), ..DeliverShipmentRequest::default() }
}
