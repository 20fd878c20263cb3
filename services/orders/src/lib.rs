//! What was bought: the orders service of the shop. A store of its own in SQLite, a gRPC API, a change
//! feed; asks customers and catalog before it takes an order.

mod config;
mod domain;
mod error;
mod grpc;
mod store;
mod upstream;

use shop_proto::orders::v1::{FILE_DESCRIPTOR_SET, orders_server::OrdersServer};
use tributary_chassis::{
    StartError, feed,
    outbound::{self, OutboundOptions},
    outbox::Outbox,
    server::{MAX_MESSAGE_BYTES, Server},
};

pub use config::Config;
use upstream::Upstream;

/// Opens the store and serves until it is told to stop.
pub async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    let outbox = Outbox::open_sqlite::<store::Tables>(config.outbox.outbox(&server)).await?;
    let feed = feed::server(outbox.log(), FILE_DESCRIPTOR_SET, config.outbox.feed(), server.shutdown());
    let upstream = Upstream::new(
        outbound::connect("customers", config.customers, OutboundOptions::default()),
        outbound::connect("catalog", config.catalog, OutboundOptions::default()),
    );
    let orders = OrdersServer::new(grpc::Service::new(outbox.clone(), upstream));
    server
        .descriptors(FILE_DESCRIPTOR_SET)
        .add_service(orders.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(feed)
        .fail_on(async move { outbox.stopped().await });
    server.serve().await
}
