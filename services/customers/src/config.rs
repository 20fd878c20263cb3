//! Flags of the customers service, each also as an environment variable.

use tributary_chassis::settings::{OutboxArgs, ServerArgs, StoreArgs};

/// The customers service of the shop: who buys.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "customers", version, about)]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:50051")))]
pub struct Config {
    /// As of every server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// As of every service with a store of its own.
    #[command(flatten)]
    pub outbox: OutboxArgs,
    /// As of every service whose store may be in PostgreSQL.
    #[command(flatten)]
    pub store: StoreArgs,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}
