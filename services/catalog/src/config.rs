//! Flags of the catalog service, each also as an environment variable.

use tributary_chassis::settings::{OutboxArgs, ServerArgs};

/// The catalog service of the shop: what is sold.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "catalog", version, about)]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:50052")))]
pub struct Config {
    /// As of every server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// As of every service with a store of its own.
    #[command(flatten)]
    pub outbox: OutboxArgs,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}
