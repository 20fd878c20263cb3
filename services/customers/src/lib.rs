//! Who buys: the customers service of the shop. A store of its own in SQLite or PostgreSQL, a gRPC API, a change feed.

mod config;
mod domain;
mod error;
mod grpc;
mod store;

use shop_proto::customers::v1::{FILE_DESCRIPTOR_SET, customers_server::CustomersServer};
use tributary_chassis::{
    StartError,
    outbox::Outbox,
    server::{MAX_MESSAGE_BYTES, Server},
};

pub use config::Config;

/// Opens the store and serves until it is told to stop.
pub async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    let outbox = Outbox::open_sql::<store::Tables>(config.outbox.outbox_in(&config.store, &server)).await?;
    let customers = CustomersServer::new(grpc::Service::new(outbox.clone()));
    server
        .publish(&outbox, FILE_DESCRIPTOR_SET, config.outbox.feed())
        .add_service(customers.max_decoding_message_size(MAX_MESSAGE_BYTES));
    server.serve().await
}
