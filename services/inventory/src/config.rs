//! Flags of the inventory service, each also as an environment variable.

use std::time::Duration;

use tributary_chassis::settings::{OutboxArgs, ServerArgs, positive_duration};

/// The inventory service of the shop: what is on the shelf.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "inventory", version, about)]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:50053")))]
pub struct Config {
    /// As of every server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// As of every service with a store of its own.
    #[command(flatten)]
    pub outbox: OutboxArgs,

    /// How long a reservation is held that nobody commits
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_RESERVATION_TTL", default_value = "15m", value_parser = reservation_ttl)]
    pub reservation_ttl: Duration,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}

/// Longest that a reservation may be held: what is added to a time must still be a time.
const MAX_RESERVATION_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn reservation_ttl(text: &str) -> Result<Duration, String> {
    let time = positive_duration(text)?;
    if time > MAX_RESERVATION_TTL { Err("must be at most 365d".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_flags_it_is_where_it_is_looked_for() {
        let config: Config = clap::Parser::parse_from(["inventory"]);
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:50053");
        assert_eq!(config.reservation_ttl, Duration::from_secs(15 * 60));
    }

    #[test]
    fn limits_are_inclusive() {
        for good in ["1ms", "15m", "365d"] {
            assert!(reservation_ttl(good).is_ok(), "{good}");
        }
        for bad in ["0s", "15", "8761h", "99999999999d"] {
            assert!(reservation_ttl(bad).is_err(), "{bad}");
        }
    }
}
