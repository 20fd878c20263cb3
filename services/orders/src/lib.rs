//! What was bought: the orders service of the shop. A store of its own in SQLite or PostgreSQL, a gRPC API, a
//! change feed; asks customers and catalog before it takes an order, and then brings the order to its end with
//! inventory, payments and shipping.

mod changes;
mod config;
mod domain;
mod error;
mod grpc;
mod saga;
mod store;
mod upstream;

use std::{future::pending, sync::Arc};

use http::Uri;
use shop_proto::orders::v1::{FILE_DESCRIPTOR_SET, orders_server::OrdersServer};
use tokio::sync::mpsc;
use tributary_chassis::{
    StartError,
    following::{self, Source},
    outbound::{self, Outbound, OutboundOptions},
    outbox::Outbox,
    server::{MAX_MESSAGE_BYTES, Server},
};

pub use config::Config;
#[cfg(not(feature = "test-hooks"))]
use saga::hooks::Hooks;
#[cfg(feature = "test-hooks")]
pub use saga::hooks::{Hooks, Mutant, WriteFault};

use changes::Changes;
use saga::Saga;
use upstream::{Catalog, Customers, Inventory, Partners, Payments, Upstream, shipping};

/// Opens the store, goes on with what is unfinished, and serves until it is told to stop.
pub async fn start(config: Config, server: Server) -> Result<(), StartError> {
    serve(config, server, Hooks::none()).await
}

/// [`start`], for tests: with what is to go wrong.
#[cfg(feature = "test-hooks")]
pub async fn start_with(config: Config, server: Server, hooks: Hooks) -> Result<(), StartError> {
    serve(config, server, hooks).await
}

async fn serve(config: Config, mut server: Server, hooks: Hooks) -> Result<(), StartError> {
    let outbox = Outbox::open_sql::<store::Tables>(config.outbox.outbox_in(&config.store, &server)).await?;
    let upstream = Upstream {
        customers: Customers::new(connect("customers", &config.customers)),
        catalog: Catalog::new(connect("catalog", &config.catalog)),
    };
    let changes = Arc::new(Changes::default());
    let sagas = tokio::spawn(run_sagas(&config, &server, &outbox, &changes, hooks));
    let shipping = Source { service: "shipping", endpoint: config.shipping, entities: &["shipments"] };
    following::start(&server, outbox.clone(), shipping, shipping::react);
    let orders = OrdersServer::new(grpc::Service::new(outbox.clone(), upstream, changes, server.shutdown()));
    server
        .publish(&outbox, FILE_DESCRIPTOR_SET, config.outbox.feed())
        .add_service(orders.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .fail_on(async move {
            match sagas.await {
                // Told to stop.
                Ok(()) => pending().await,
                Err(error) => StartError::new("running the sagas", error),
            }
        });
    server.serve().await
}

/// Goes on with every order that is written or found unfinished, until the server stops.
fn run_sagas(
    config: &Config,
    server: &Server,
    outbox: &Outbox<domain::Orders>,
    changes: &Arc<Changes>,
    hooks: Hooks,
) -> impl Future<Output = ()> + use<> {
    let timeout = config.saga_step_timeout;
    let saga = Saga {
        outbox: outbox.clone(),
        partners: Partners {
            inventory: Inventory::new(connect("inventory", &config.inventory), timeout),
            payments: Payments::new(connect("payments", &config.payments), timeout),
        },
        stuck_after: config.saga_stuck_after,
        hooks,
    };
    let (written, writes) = mpsc::channel(saga::WRITTEN);
    let following = changes::follow(outbox.log(), Arc::clone(changes), written, server.shutdown());
    let running = saga::run(saga, writes, server.shutdown());
    async move {
        tokio::join!(following, running);
    }
}

fn connect(service: &str, uri: &Uri) -> Outbound {
    outbound::connect(service, uri.clone(), OutboundOptions::default())
}
