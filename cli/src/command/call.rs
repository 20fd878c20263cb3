//! `tributary call`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::{Args, builder::BoolishValueParser};
use tonic::{
    Request,
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
};
use tributary_chassis::{
    position::{AS_OF, POSITION},
    settings::positive_duration,
};

use super::list;
use crate::{
    directory::{self, Found},
    dynamic::{self, Layout},
    failure::Failure,
    input,
    mesh::Mesh,
    terminal,
};

/// Of a method that answers once; a stream may go on for as long as it likes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Call any method of a running server, described by the server itself (gRPC reflection).
#[derive(Debug, Args)]
#[command(after_help = "\
The reply is JSON on stdout; of a stream, one message per line. Freshness and positions go to stderr. \
SERVICE may be the end of its full name, if that is unambiguous: Orders/GetOrder.

Examples:
  tributary call --list
  tributary call shop.orders.v1.Orders/GetOrder '{\"order_id\":\"o-1\"}'
  tributary call Insights/RevenueByRegion '{\"region\":\"EUROPE\"}' -H 'tributary-after: orders/5c0e/17'
  tributary call --to orders tributary.feed.v1.ChangeFeed/Describe
  cat request.json | tributary call Customers/CreateCustomer -")]
pub(crate) struct Call {
    /// What to call, as in shop.orders.v1.Orders/GetOrder.
    #[arg(value_name = "SERVICE/METHOD", required_unless_present = "list")]
    method: Option<String>,

    /// The request as JSON; `-` reads it from stdin. Empty when left out.
    #[arg(value_name = "JSON", default_value = "", hide_default_value = true)]
    request: String,

    /// List the services and methods instead.
    #[arg(long, conflicts_with = "method", env = "TRIBUTARY_LIST", value_parser = BoolishValueParser::new())]
    list: bool,

    /// Server to call: its name in the mesh, or http://HOST:PORT. When left out, the one of the mesh that has
    /// the service.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER")]
    to: Option<String>,

    /// Metadata to send; may be repeated.
    #[arg(short = 'H', long = "header", env = "TRIBUTARY_HEADER", value_name = "KEY:VALUE", value_parser = header)]
    headers: Vec<Header>,

    /// How long it may take [default: 30s for a method that answers once, else no limit].
    #[arg(long, env = "TRIBUTARY_TIMEOUT", value_name = "DURATION", value_parser = positive_duration)]
    timeout: Option<Duration>,

    /// Also print the fields that have their default value.
    #[arg(long, env = "TRIBUTARY_EMIT_DEFAULTS", value_parser = BoolishValueParser::new())]
    emit_defaults: bool,

    /// Show all metadata of the reply on stderr.
    #[arg(short, long, env = "TRIBUTARY_VERBOSE", value_parser = BoolishValueParser::new())]
    verbose: bool,
}

type Header = (MetadataKey<Ascii>, MetadataValue<Ascii>);

fn header(text: &str) -> Result<Header, String> {
    let (key, value) = text.split_once(':').ok_or("write KEY:VALUE")?;
    let key: MetadataKey<Ascii> =
        key.trim().to_lowercase().parse().map_err(|_| format!("`{key}` is no metadata key"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is no metadata value"))?;
    Ok((key, value))
}

pub(crate) async fn run(mesh: &Mesh, call: Call) -> Result<(), Failure> {
    let Some(path) = &call.method else {
        return list::print(mesh, call.to.as_deref()).await;
    };
    let Found { target, method } = directory::find(mesh, call.to.as_deref(), path).await?;
    let mut request = Request::new(dynamic::messages(&method, &input::text(&call.request).await?)?);
    if let Some(timeout) = call.timeout.or((!method.is_server_streaming()).then_some(TIMEOUT)) {
        request.set_timeout(timeout);
    }
    for (key, value) in call.headers {
        request.metadata_mut().append(key, value);
    }
    let refused = |status| Failure::call(&target.name, &status);
    let reply = dynamic::call(target.channel.clone(), &method, request).await.map_err(refused)?;
    show(reply.metadata(), call.verbose);
    let layout = Layout { pretty: !method.is_server_streaming(), defaults: call.emit_defaults };
    let mut replies = reply.into_inner();
    while let Some(message) = replies.message().await.map_err(refused)? {
        let mut line = Vec::new();
        dynamic::write_json(&mut line, &message, layout)
            .map_err(|error| Failure::failed(format!("the reply cannot be written as JSON: {error}")))?;
        // Whole and at once: who reads a stream wants each message as it comes.
        io::stdout().lock().write_all(&line)?;
    }
    if let (true, Some(trailers)) = (call.verbose, replies.trailers().await.map_err(refused)?) {
        show(&trailers, true);
    }
    Ok(())
}

/// The position to wait for, and the freshness, are worth a line without being asked for.
fn show(metadata: &MetadataMap, all: bool) {
    for entry in metadata.iter() {
        if let tonic::metadata::KeyAndValueRef::Ascii(key, value) = entry
            && (all || [POSITION, AS_OF].contains(&key.as_str()))
        {
            let value = String::from_utf8_lossy(value.as_encoded_bytes());
            terminal::say(&terminal::dim(format!("{key}: {}", terminal::printable(&value))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_a_key_and_a_value() {
        let (key, value) = header("Tributary-After: orders/e/1").unwrap();
        assert_eq!((key.as_str(), value.to_str().unwrap()), ("tributary-after", "orders/e/1"));
        for text in ["", "key", ":value", "k ey:value", "key:val\nue"] {
            assert!(header(text).is_err(), "{text:?}");
        }
    }
}
