//! Flags of the payments service, each also as an environment variable.

use std::time::Duration;

use tributary_chassis::{
    outbox::OutboxOptions,
    server::Server,
    settings::{OutboxArgs, ServerArgs, StoreArgs, positive_duration},
};

/// The payments service of the shop: what was paid.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "payments", version, about)]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:50055")))]
#[command(mut_arg("request_retention", |arg| {
    arg.help("Without effect: replies about payments are kept for ever").hide_default_value(true)
}))]
pub struct Config {
    /// As of every server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// As of every service with a store of its own, but for the retention of replies.
    #[command(flatten)]
    pub outbox: OutboxArgs,
    /// As of every service whose store may be in PostgreSQL.
    #[command(flatten)]
    pub store: StoreArgs,

    /// How often the processor is asked again for what it has not answered and nobody asks for
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_RESOLVE_INTERVAL", default_value = "5s", value_parser = positive_duration)]
    pub resolve_interval: Duration,
}

impl Config {
    /// How the outbox of `server` is opened. A request that is repeated after whatever time must not
    /// charge again, so that no reply is ever forgotten.
    pub(crate) fn outbox(&self, server: &Server) -> OutboxOptions {
        OutboxOptions { request_retention: Duration::MAX, ..self.outbox.outbox_in(&self.store, server) }
    }
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn replies_are_kept_for_ever_whatever_is_asked_for() {
        let directory = TempDir::new().unwrap();
        let args = ServerArgs { data_dir: Some(directory.path().to_owned()), ..ServerArgs::default() };
        let args = ServerArgs { admin_listen: Some(args.listen), ..args };
        let server = Server::bind("payments", &args).unwrap();
        for flags in [&["payments"][..], &["payments", "--request-retention", "7d"]] {
            assert_eq!(Config::parse_from(flags).outbox(&server).request_retention, Duration::MAX);
        }
        let help = Config::command().render_long_help().to_string();
        assert!(help.contains("replies about payments are kept for ever"), "{help}");
        assert!(help.contains("127.0.0.1:50055"), "{help}");
    }

    #[test]
    fn nothing_is_resolved_all_the_time() {
        assert!(Config::try_parse_from(["payments", "--resolve-interval", "0s"]).is_err());
        assert!(Config::try_parse_from(["payments", "--resolve-interval", "1ms"]).is_ok());
    }
}
