//! The query gateway: follows the feeds of a mesh, keeps one read model of them, and answers questions about it.

pub mod catalog;
pub mod config;
pub mod error;
pub mod gateway;
pub mod schema;
pub mod source;
pub mod store;

use tributary_chassis::{Server, StartError, lock};

use crate::{config::Config, source::Sources, store::Store};

/// Runs the gateway. It answers as soon as the store is open; its sources may come later.
pub async fn start(config: Config, server: Server) -> Result<(), StartError> {
    config.check()?;
    let _lock = lock::acquire(server.data_dir())?;
    let sources = Sources::open(Store::open(server.data_dir()).await?, &config).await?;
    let applying = tokio::spawn(sources.run(server.shutdown()));
    server.serve().await?;
    // What was handed over is applied before the store is closed.
    Ok(applying.await?)
}
