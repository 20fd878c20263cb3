//! Flags of the shipping service, each also as an environment variable.

use http::Uri;
use tributary_chassis::settings::{OutboxArgs, ServerArgs, url};

/// The shipping service of the shop: what is under way.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "shipping", version, about)]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:50056")))]
pub struct Config {
    /// As of every server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// As of every service with a store of its own.
    #[command(flatten)]
    pub outbox: OutboxArgs,

    /// Where the orders service is, whose feed says what is to be shipped
    #[arg(long, value_name = "URL", env = "TRIBUTARY_ORDERS", default_value = "http://127.0.0.1:50054", value_parser = url)]
    pub orders: Uri,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}
