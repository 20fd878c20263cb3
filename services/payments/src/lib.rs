//! What was paid: the payments service of the shop. A store of its own in SQLite or PostgreSQL, a gRPC API, a
//! change feed; has money moved by a processor, another company's system, and asks it again until it answers.

mod cashier;
mod config;
mod domain;
mod error;
mod grpc;
mod processor;
mod resolving;
mod store;

use std::{future::pending, sync::Arc};

use shop_proto::payments::v1::{FILE_DESCRIPTOR_SET, payments_server::PaymentsServer};
use tributary_chassis::{
    StartError,
    outbox::Outbox,
    server::{MAX_MESSAGE_BYTES, Server},
};

use cashier::Cashier;
pub use config::Config;
use processor::{Embedded, Place};

/// Opens the store and serves until it is told to stop.
pub async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    let outbox = Outbox::open_sql::<store::Tables>(config.outbox(&server)).await?;
    // Behind the outbox, which has the lock of the directory.
    let place = match &config.store.store {
        Some(database) => Place::Database(database),
        None => Place::Directory(server.data_dir()),
    };
    let processor = Embedded::open(place).await?;
    let cashier = Cashier::new(outbox.clone(), Arc::new(processor));
    let payments = PaymentsServer::new(grpc::Service::new(outbox.clone(), cashier.clone()));
    let resolving = resolving::run(outbox.clone(), cashier, config.resolve_interval, server.shutdown());
    let resolving = tokio::spawn(resolving);
    server
        .publish(&outbox, FILE_DESCRIPTOR_SET, config.outbox.feed())
        .add_service(payments.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .fail_on(async move {
            match resolving.await {
                Err(panicked) => StartError::new("resolving what is unanswered", panicked),
                // The server is stopping.
                Ok(()) => pending().await,
            }
        });
    server.serve().await
}
