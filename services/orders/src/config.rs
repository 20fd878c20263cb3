//! Flags of the orders service, each also as an environment variable.

use http::Uri;
use tributary_chassis::settings::{OutboxArgs, ServerArgs};

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

    /// Where the customers service is
    #[arg(long, value_name = "URL", env = "TRIBUTARY_CUSTOMERS", default_value = "http://127.0.0.1:50051", value_parser = url)]
    pub customers: Uri,

    /// Where the catalog service is
    #[arg(long, value_name = "URL", env = "TRIBUTARY_CATALOG", default_value = "http://127.0.0.1:50052", value_parser = url)]
    pub catalog: Uri,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}

/// An address that can be called: what is wrong with it must not show at the first order only.
fn url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}: give http://HOST:PORT"))?;
    match (uri.scheme_str(), uri.port_u16()) {
        (Some("http"), Some(_)) if uri.path() == "/" && uri.query().is_none() => Ok(uri),
        _ => Err("give http://HOST:PORT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_host() {
        for good in ["http://127.0.0.1:50051", "http://customers:50051", "http://[::1]:1/"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "customers",
            "127.0.0.1:50051",
            "ftp://customers",
            "http://",
            "http://a",
            "http://a:b",
            "http://a:1/b",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
