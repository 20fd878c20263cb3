//! Flags of the orders service, each also as an environment variable.

use std::time::Duration;

use http::Uri;
use tributary_chassis::settings::{OutboxArgs, ServerArgs, StoreArgs, positive_duration, url};

/// The orders service of the shop: what was bought.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "orders", version, about)]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:50054")))]
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

    /// Where the customers service is
    #[arg(long, value_name = "URL", env = "TRIBUTARY_CUSTOMERS", default_value = "http://127.0.0.1:50051", value_parser = url)]
    pub customers: Uri,

    /// Where the catalog service is
    #[arg(long, value_name = "URL", env = "TRIBUTARY_CATALOG", default_value = "http://127.0.0.1:50052", value_parser = url)]
    pub catalog: Uri,

    /// Where the inventory service is
    #[arg(long, value_name = "URL", env = "TRIBUTARY_INVENTORY", default_value = "http://127.0.0.1:50053", value_parser = url)]
    pub inventory: Uri,

    /// Where the payments service is
    #[arg(long, value_name = "URL", env = "TRIBUTARY_PAYMENTS", default_value = "http://127.0.0.1:50055", value_parser = url)]
    pub payments: Uri,

    /// Where the shipping service is, whose feed is followed
    #[arg(long, value_name = "URL", env = "TRIBUTARY_SHIPPING", default_value = "http://127.0.0.1:50056", value_parser = url)]
    pub shipping: Uri,

    /// How long inventory or payments may take to answer a step of an order, before it is asked again
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_SAGA_STEP_TIMEOUT", default_value = "5s", value_parser = positive_duration)]
    pub saga_step_timeout: Duration,

    /// An order that is neither at its end nor has moved for longer counts as stuck
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_SAGA_STUCK_AFTER", default_value = "1m", value_parser = positive_duration)]
    pub saga_stuck_after: Duration,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}
