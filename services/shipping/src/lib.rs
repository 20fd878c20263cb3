//! What is under way: the shipping service of the shop. A store of its own in sled, a gRPC API, a change feed;
//! follows the feed of orders, which says what is to be shipped.

mod config;
mod domain;
mod error;
mod follower;
mod grpc;
mod store;

use shop_proto::shipping::v1::{FILE_DESCRIPTOR_SET, shipping_server::ShippingServer};
use tributary_chassis::{
    StartError, following,
    outbox::Outbox,
    server::{MAX_MESSAGE_BYTES, Server},
};

pub use config::Config;

/// Opens the store, follows orders and serves until it is told to stop.
pub async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    let outbox = Outbox::open_sled::<store::Tables>(config.outbox.outbox(&server)).await?;
    let shipping = ShippingServer::new(grpc::Service::new(outbox.clone()));
    following::start(&server, outbox.clone(), follower::orders(config.orders), follower::react);
    server
        .publish(&outbox, FILE_DESCRIPTOR_SET, config.outbox.feed())
        .add_service(shipping.max_decoding_message_size(MAX_MESSAGE_BYTES));
    server.serve().await
}
