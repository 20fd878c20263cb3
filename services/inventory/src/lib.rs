//! What is on the shelf: the inventory service of the shop. A store of its own in sled, a gRPC API, a
//! change feed, and a task that gives back what was reserved and never committed.

mod config;
mod domain;
mod error;
mod expiry;
mod grpc;
mod reservations;
mod store;

use shop_proto::inventory::v1::{FILE_DESCRIPTOR_SET, inventory_server::InventoryServer};
use tributary_chassis::{
    StartError,
    outbox::Outbox,
    server::{MAX_MESSAGE_BYTES, Server},
};

pub use config::Config;

/// Opens the store and serves until it is told to stop.
pub async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    let outbox = Outbox::open_sled::<store::Tables>(config.outbox.outbox(&server)).await?;
    let inventory = InventoryServer::new(grpc::Service::new(outbox.clone(), config.reservation_ttl));
    server
        .publish(&outbox, FILE_DESCRIPTOR_SET, config.outbox.feed())
        .add_service(inventory.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .fail_on(expiry::start(outbox.clone()));
    server.serve().await
}
