//! Flags that every service has, each also as an environment variable. A wrong value is refused before
//! anything is bound or opened.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ValueEnum, builder::BoolishValueParser};
use http::Uri;

use crate::{database::Database, feed::FeedOptions, outbox::OutboxOptions, server::Server};

/// Distance of the admin port from the gRPC port, where it is not given.
const ADMIN_PORT_OFFSET: u16 = 1000;
/// Clients may repeat a request for a week and get the first reply.
const MIN_REQUEST_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a server needs to know. Flatten it into the service's own arguments, and give the service's port:
/// `#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:50051")))]`.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArgs {
    /// Address for gRPC; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", env = "TRIBUTARY_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// Address for health (HTTP and gRPC) and metrics (HTTP) [default: gRPC port + 1000]
    #[arg(long, value_name = "IP:PORT", env = "TRIBUTARY_ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,

    /// Directory of everything that is kept [default: ./.tributary/SERVICE]
    #[arg(long, value_name = "DIR", env = "TRIBUTARY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// How long calls are still taken after the first signal, while the server says that it is not ready
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_DRAIN_DELAY", default_value = "0s", value_parser = duration)]
    pub drain_delay: Duration,

    /// How long calls and streams may take to end after that
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_DRAIN_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub drain_timeout: Duration,

    /// End at once when standard input ends, that is, when the parent died
    #[arg(long, env = "TRIBUTARY_EXIT_WITH_PARENT", value_parser = BoolishValueParser::new())]
    pub exit_with_parent: bool,

    /// Calls worked on at the same time, at each port; more are refused
    #[arg(long, value_name = "N", env = "TRIBUTARY_MAX_IN_FLIGHT", default_value = "256", value_parser = positive)]
    pub max_in_flight: usize,

    /// Time that a call has to be answered, at most and by default
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_DEFAULT_DEADLINE", default_value = "10s", value_parser = positive_duration)]
    pub default_deadline: Duration,

    /// How log lines are written to standard error
    #[arg(long, value_name = "FORMAT", env = "TRIBUTARY_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// As on a command line without flags, on a free port.
impl Default for ServerArgs {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            admin_listen: None,
            data_dir: None,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(10),
            exit_with_parent: false,
            max_in_flight: 256,
            default_deadline: Duration::from_secs(10),
            log_format: LogFormat::Text,
        }
    }
}

impl ServerArgs {
    /// Where the admin port is; `None` where the gRPC port leaves no room for it.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        match (self.admin_listen, self.listen.port()) {
            (Some(address), _) => Some(address),
            (None, 0) => Some((self.listen.ip(), 0).into()),
            (None, port) => Some((self.listen.ip(), port.checked_add(ADMIN_PORT_OFFSET)?).into()),
        }
    }

    /// Where the service of this name keeps what it keeps.
    pub(crate) fn data_dir_of(&self, service: &str) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| Path::new(".tributary").join(service))
    }
}

/// What a service with an outbox needs to know. Flatten it into the service's own arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct OutboxArgs {
    /// Address for the change feed, which is then not served at the gRPC port [default: the gRPC port]
    #[arg(long, value_name = "IP:PORT", env = "TRIBUTARY_FEED_LISTEN")]
    pub feed_listen: Option<SocketAddr>,

    /// Changes that the feed keeps; who is further behind takes a snapshot
    #[arg(long, value_name = "N", env = "TRIBUTARY_FEED_RETAIN", default_value = "1000000", value_parser = positive_u64)]
    pub feed_retain: u64,

    /// How long a subscriber may not read before it is cut off
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_FEED_STALL_TIMEOUT", default_value = "30s", value_parser = positive_duration)]
    pub feed_stall_timeout: Duration,

    /// How often an idle feed says where it stands
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_FEED_PROGRESS_INTERVAL", default_value = "1s", value_parser = positive_duration)]
    pub feed_progress_interval: Duration,

    /// Subscribers at the same time; more are refused
    #[arg(long, value_name = "N", env = "TRIBUTARY_FEED_MAX_SUBSCRIBERS", default_value = "64", value_parser = positive)]
    pub feed_max_subscribers: usize,

    /// How long the reply to a request id is kept, at least 7d
    #[arg(long, value_name = "TIME", env = "TRIBUTARY_REQUEST_RETENTION", default_value = "7d", value_parser = request_retention)]
    pub request_retention: Duration,

    /// Commands that share a commit, at most; 1 syncs the disk for each
    #[arg(long, value_name = "N", env = "TRIBUTARY_GROUP_LIMIT", default_value = "256", value_parser = positive)]
    pub group_limit: usize,

    /// Which replica of the service this is, from 0; a store in files has one owner, and refuses all but 0
    #[arg(long, value_name = "N", env = "TRIBUTARY_REPLICA", default_value = "0")]
    pub replica: u32,
}

impl OutboxArgs {
    /// How the outbox of `server` is opened, in files of its own.
    pub fn outbox(&self, server: &Server) -> OutboxOptions {
        OutboxOptions {
            feed_retain: self.feed_retain,
            request_retention: self.request_retention,
            group_limit: self.group_limit,
            replica: self.replica,
            ..OutboxOptions::new(server.name(), server.data_dir())
        }
    }

    /// How the outbox of `server` is opened, which may be in a database.
    pub fn outbox_in(&self, store: &StoreArgs, server: &Server) -> OutboxOptions {
        OutboxOptions { database: store.store.clone(), ..self.outbox(server) }
    }

    /// How its feed is served.
    pub fn feed(&self) -> FeedOptions {
        FeedOptions {
            listen: self.feed_listen,
            stall_timeout: self.feed_stall_timeout,
            progress_interval: self.feed_progress_interval,
            max_subscribers: self.feed_max_subscribers,
        }
    }
}

/// Where a service keeps its store that can do without an embedded one. Flatten it into the service's own arguments.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StoreArgs {
    /// PostgreSQL database that has the store, and that all replicas share: postgres://USER@HOST:PORT/DATABASE, with the
    /// password in PGPASSWORD [default: a file in the data directory]
    #[arg(long, value_name = "DATABASE", env = "TRIBUTARY_STORE", hide_env_values = true)]
    pub store: Option<Database>,
}

/// All that a service with an outbox needs to know, where it has no flags of its own: see
/// [`run_service`](crate::run_service).
#[derive(Clone, Debug, clap::Args)]
pub struct ServiceArgs {
    /// As of every server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// As of every service with a store of its own.
    #[command(flatten)]
    pub outbox: OutboxArgs,
}

impl AsRef<ServerArgs> for ServiceArgs {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}

/// A time with its unit: `500ms`, `10s`, `5m`, `2h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err("give a whole number and its unit: ms, s, m, h or d".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "give a whole number in front of the unit".to_owned())?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| "too long".to_owned())
}

/// [`duration`], but not zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("must be more than zero".to_owned()) } else { Ok(time) }
}

/// A number from 1.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("give a whole number from 1".to_owned()),
    }
}

/// The address of another service, which can be called: what is wrong with it must not show at the first
/// call only.
pub fn url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}: give http://HOST:PORT"))?;
    match (uri.scheme_str(), uri.port_u16()) {
        (Some("http"), Some(_)) if uri.path() == "/" && uri.query().is_none() => Ok(uri),
        _ => Err("give http://HOST:PORT".to_owned()),
    }
}

fn positive_u64(text: &str) -> Result<u64, String> {
    positive(text).map(|number| number as u64)
}

fn request_retention(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < MIN_REQUEST_RETENTION { Err("must be at least 7d".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("0s", 0.0), ("500ms", 0.5), ("10s", 10.0), ("5m", 300.0), ("2h", 7200.0)] {
            assert_eq!(duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "1 s", "1S", "1w", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("9999999999999999999d").unwrap_err().contains("long"));
    }

    #[test]
    fn limits_are_inclusive() {
        assert_eq!(positive("1"), Ok(1));
        assert!(["0", "-1", "x", ""].iter().all(|text| positive(text).is_err()));
        assert!(positive_duration("1ms").is_ok() && positive_duration("0ms").is_err());
        assert!(request_retention("7d").is_ok() && request_retention("167h").is_err());
    }

    #[test]
    fn an_address_names_a_host_and_a_port() {
        for good in ["http://127.0.0.1:50051", "http://readers:50051", "http://[::1]:1/"] {
            assert!(url(good).is_ok(), "{good}");
        }
        let bad =
            ["", "readers", "127.0.0.1:1", "ftp://a:1", "http://", "http://a", "http://a:b", "http://a:1/b"];
        for bad in bad {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_admin_port_follows_the_grpc_port() {
        let admin = |listen: &str, admin: Option<&str>| {
            let admin_listen = admin.map(|address| address.parse().unwrap());
            let args = ServerArgs { listen: listen.parse().unwrap(), admin_listen, ..Default::default() };
            args.admin_address().map(|address| address.to_string())
        };
        assert_eq!(admin("127.0.0.1:50051", None).as_deref(), Some("127.0.0.1:51051"));
        assert_eq!(admin("[::1]:64535", None).as_deref(), Some("[::1]:65535"));
        assert_eq!(admin("127.0.0.1:64536", None), None);
        assert_eq!(admin("127.0.0.1:0", None).as_deref(), Some("127.0.0.1:0"));
        assert_eq!(admin("127.0.0.1:65000", Some("127.0.0.2:1")).as_deref(), Some("127.0.0.2:1"));
    }

    /// The defaults are told twice, to tests and to the command line.
    #[test]
    fn without_flags_the_defaults_hold() {
        #[derive(clap::Parser)]
        struct Any {
            #[command(flatten)]
            server: ServerArgs,
        }
        let Any { server } = clap::Parser::parse_from(["any"]);
        assert_eq!(format!("{server:?}"), format!("{:?}", ServerArgs::default()));
    }
}
