//! `tributary query`.

use std::{io, time::Duration};

use clap::Args;
use tonic::{Request, metadata::MetadataValue};
use tributary_chassis::{
    position::{AFTER, AS_OF, Positions},
    settings::positive_duration,
};
use tributary_proto::query::v1::{
    QueryRequest, query_gateway_client::QueryGatewayClient, query_response::Part,
};

use crate::{
    as_of,
    endpoint::Target,
    failure::Failure,
    input,
    mesh::{GATEWAY, Mesh},
    render::{Format, Rows},
    terminal,
};

/// The largest message that is taken: twice what the gateway sends at most.
const LARGEST: usize = 16 << 20;

/// Ask one SELECT across all services.
#[derive(Debug, Args)]
#[command(after_help = "\
Rows go to stdout; how many, how fresh, and whether something was cut off, to stderr.

Examples:
  tributary query 'SELECT region, count(*) AS customers FROM customers GROUP BY region'
  tributary query 'SELECT * FROM orders' --output csv > orders.csv
  tributary query - < report.sql
  tributary query 'SELECT state FROM orders' --after orders/5c0e/17   contains that write")]
pub(crate) struct Query {
    /// One SELECT, in the dialect of the views (PostgreSQL's); `-` reads it from stdin.
    sql: String,

    /// Form of the answer.
    #[arg(short, long, env = "TRIBUTARY_OUTPUT", default_value = "table", value_name = "FORMAT")]
    output: Format,

    /// Positions that the answer must contain: the `tributary-position` of earlier writes.
    #[arg(long, env = "TRIBUTARY_AFTER", value_name = "POSITIONS")]
    after: Option<Positions>,

    /// Rows wanted at most, up to 10,000.
    #[arg(long, env = "TRIBUTARY_MAX_ROWS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_rows: Option<u32>,

    /// How long it may take.
    #[arg(long, env = "TRIBUTARY_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    timeout: Duration,

    /// Gateway to ask, if not the one of the mesh.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER", default_value = GATEWAY)]
    to: String,
}

impl Query {
    /// The question as a command would ask it with its defaults.
    pub(crate) fn new(sql: &str, after: Positions, timeout: Duration) -> Self {
        Self {
            sql: sql.to_owned(),
            output: Format::Table,
            after: Some(after),
            max_rows: None,
            timeout,
            to: GATEWAY.to_owned(),
        }
    }
}

pub(crate) async fn run(mesh: &Mesh, mut query: Query) -> Result<(), Failure> {
    query.sql = input::text(&query.sql).await?;
    print(mesh, query).await.map(|_| ())
}

/// Prints the answer; gives the number of its rows.
pub(crate) async fn print(mesh: &Mesh, query: Query) -> Result<u64, Failure> {
    let target = Target::parse(mesh, &query.to)?;
    let refused = |status| Failure::call(&target.name, &status);
    let reply = QueryGatewayClient::new(target.channel.clone())
        .max_decoding_message_size(LARGEST)
        .query(request(&query)?)
        .await
        .map_err(refused)?;
    let fresh = reply.metadata().get(AS_OF).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut parts = reply.into_inner();
    let mut rows = None;
    let mut count: u64 = 0;
    let mut truncated = None;
    while let Some(response) = parts.message().await.map_err(refused)? {
        match (response.part, &mut rows) {
            (Some(Part::Header(header)), None) => {
                rows = Some(Rows::begin(query.output, &header.columns, io::stdout().lock())?);
            }
            (Some(Part::Rows(more)), Some(rows)) => {
                for row in more.rows {
                    rows.row(row)?;
                    count += 1;
                }
            }
            (Some(Part::Truncated(cut)), Some(_)) => truncated = Some(cut.reason),
            _ => return Err(Failure::failed("the gateway sent the parts of its answer in disorder")),
        }
    }
    match rows {
        Some(rows) => rows.end()?,
        None => return Err(Failure::failed("the gateway sent an answer without a header")),
    }
    summarize(count, fresh.as_deref(), truncated.as_deref());
    Ok(count)
}

fn request(query: &Query) -> Result<Request<QueryRequest>, Failure> {
    let mut request =
        Request::new(QueryRequest { sql: query.sql.clone(), max_rows: query.max_rows.unwrap_or(0) });
    request.set_timeout(query.timeout);
    answer_after(&mut request, query.after.as_ref())?;
    Ok(request)
}

/// Has the gateway answer once it has all that these positions stand on.
pub(crate) fn answer_after<T>(request: &mut Request<T>, after: Option<&Positions>) -> Result<(), Failure> {
    if let Some(after) = after.filter(|after| !after.is_empty()) {
        let value: MetadataValue<_> = after
            .to_string()
            .parse()
            .map_err(|error| Failure::usage(format!("--after {after}: no metadata value: {error}")))?;
        request.metadata_mut().insert(AFTER, value);
    }
    Ok(())
}

fn summarize(count: u64, fresh: Option<&str>, truncated: Option<&str>) {
    let rows = if count == 1 { "row" } else { "rows" };
    let mut line = format!("{count} {rows}");
    if let Some(fresh) = fresh {
        line.push_str(&format!(", as of {}", terminal::printable(&as_of::in_words(fresh))));
    }
    terminal::say(&terminal::dim(format!("({line})")));
    if let Some(reason) = truncated {
        terminal::say(&format!("{} {}", terminal::yellow("truncated:"), terminal::printable(reason)));
    }
}
