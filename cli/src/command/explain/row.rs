//! `tributary explain row`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value, json};
use tonic::Request;
use tributary_chassis::{
    position::{AS_OF, Positions},
    settings::positive_duration,
};
use tributary_proto::query::v1::{
    ExplainRowRequest, ExplainRowResponse, KeyPart, RowChange, TableRows,
    query_gateway_client::QueryGatewayClient,
};

use crate::{
    as_of,
    command::query::answer_after,
    endpoint::Target,
    failure::Failure,
    mesh::{GATEWAY, Mesh},
    render::{Output, Table},
    terminal,
};

/// Show which changes made a row of a table or view, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
The changes go to stdout; how many there are in all, of which tables, and how fresh, to stderr.
What is empty is not known: a snapshot tells neither event nor trace.

Examples:
  tributary explain row orders 0198c0de                              by the columns that identify a row
  tributary explain row revenue_by_region --key region=EUROPE        by any column
  tributary explain row customer_overview ada --jaeger-url http://127.0.0.1:16686
  tributary explain row customers ada --output json | jq -r '.changes[].trace_id'")]
pub(crate) struct Row {
    /// Name of a table or view.
    name: String,

    /// Values of the columns that identify the row, in their order.
    values: Vec<String>,

    /// Value of any column; may be repeated.
    #[arg(long, env = "TRIBUTARY_KEY", value_name = "COLUMN=VALUE", value_parser = pair)]
    key: Vec<(String, String)>,

    /// Column that is NULL; may be repeated.
    #[arg(long, env = "TRIBUTARY_NULL", value_name = "COLUMN")]
    null: Vec<String>,

    /// Changes wanted at most.
    #[arg(long, env = "TRIBUTARY_LIMIT", value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,

    /// Where Jaeger is, for a link to each trace; `tributary up --jaeger` prints it.
    #[arg(long, env = "TRIBUTARY_JAEGER_URL", value_name = "URL")]
    jaeger_url: Option<String>,

    /// Form of the answer.
    #[arg(short, long, env = "TRIBUTARY_OUTPUT", default_value = "table", value_name = "FORMAT")]
    output: Output,

    /// Positions that the answer must contain: the `tributary-position` of earlier writes.
    #[arg(long, env = "TRIBUTARY_AFTER", value_name = "POSITIONS")]
    after: Option<Positions>,

    /// How long it may take.
    #[arg(long, env = "TRIBUTARY_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    timeout: Duration,

    /// Gateway to ask, if not the one of the mesh.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER", default_value = GATEWAY)]
    to: String,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("write COLUMN=VALUE")?;
    if column.is_empty() {
        return Err("the name of the column is missing: write COLUMN=VALUE".to_owned());
    }
    Ok((column.to_owned(), value.to_owned()))
}

pub(super) async fn run(mesh: &Mesh, row: Row) -> Result<(), Failure> {
    let target = Target::parse(mesh, &row.to)?;
    let reply = QueryGatewayClient::new(target.channel.clone()).explain_row(request(&row)?).await;
    let reply = reply.map_err(|status| Failure::call(&target.name, &status))?;
    let fresh = reply.metadata().get(AS_OF).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let explained = reply.into_inner();
    let traces = Traces { jaeger: row.jaeger_url.as_deref().map(|url| url.trim_end_matches('/')) };
    let mut out = io::stdout().lock();
    match row.output {
        Output::Table => table(&explained, traces).write(&mut out)?,
        Output::Json => writeln!(out, "{:#}", object(&explained, traces))?,
    }
    drop(out);
    terminal::say(&terminal::dim(summary(&explained, fresh.as_deref())));
    Ok(())
}

fn request(row: &Row) -> Result<Request<ExplainRowRequest>, Failure> {
    let part =
        |column: &str, value: Option<&String>| KeyPart { column: column.to_owned(), value: value.cloned() };
    let values = row.values.iter().map(|value| part("", Some(value)));
    let named = row.key.iter().map(|(column, value)| part(column, Some(value)));
    let nulls = row.null.iter().map(|column| part(column, None));
    let key = values.chain(named).chain(nulls).collect();
    let mut request = Request::new(ExplainRowRequest { name: row.name.clone(), key, limit: row.limit });
    request.set_timeout(row.timeout);
    answer_after(&mut request, row.after.as_ref())?;
    Ok(request)
}

/// Where traces can be looked at.
#[derive(Clone, Copy)]
struct Traces<'a> {
    jaeger: Option<&'a str>,
}

impl Traces<'_> {
    fn link(self, change: &RowChange) -> Option<String> {
        let jaeger = self.jaeger.filter(|_| !change.trace_id.is_empty())?;
        Some(format!("{jaeger}/trace/{}", change.trace_id))
    }
}

fn table(explained: &ExplainRowResponse, traces: Traces<'_>) -> Table {
    let mut table = Table::new(["service", "sequence", "when", "event", "entity", "key", "trace"]);
    table.align_right(1);
    for change in &explained.changes {
        let mut position = change.position.split('/');
        let (service, sequence) = (position.next(), position.next_back());
        let when = change.commit_time.as_ref().map(ToString::to_string);
        let trace = traces.link(change).unwrap_or_else(|| change.trace_id.clone());
        table.row([
            service.unwrap_or_default(),
            sequence.unwrap_or_default(),
            when.as_deref().unwrap_or_default(),
            &change.event,
            &change.entity,
            &change.key,
            &trace,
        ]);
    }
    table
}

fn object(explained: &ExplainRowResponse, traces: Traces<'_>) -> Value {
    let changes = explained.changes.iter().map(|change| {
        let RowChange { position, entity, key, event, commit_time, traceparent, trace_id, rows } = change;
        json!({"position": position, "entity": entity, "key": key, "event": event,
            "commit_time": commit_time.as_ref().map(ToString::to_string), "traceparent": traceparent,
            "trace_id": trace_id, "trace_url": traces.link(change), "rows": by_table(rows)})
    });
    json!({
        "rows": explained.rows,
        "total": explained.total,
        "changes": changes.collect::<Vec<_>>(),
        "tables": by_table(&explained.tables),
    })
}

fn by_table(rows: &[TableRows]) -> Map<String, Value> {
    rows.iter().map(|TableRows { table, rows }| (table.clone(), json!(rows))).collect()
}

/// `(2 of 7 changes, of 3 rows of orders and 4 of order_lines; ..)`.
fn summary(explained: &ExplainRowResponse, fresh: Option<&str>) -> String {
    let (told, total) = (explained.changes.len() as u64, explained.total);
    let changes = if total == 1 { "change" } else { "changes" };
    let mut text =
        if told == total { format!("{total} {changes}") } else { format!("{told} of {total} {changes}") };
    let tables: Vec<String> = explained
        .tables
        .iter()
        .map(|TableRows { table, rows }| format!("{rows} of {}", terminal::printable(table)))
        .collect();
    if !tables.is_empty() {
        text += &format!("; rows: {}", tables.join(", "));
    }
    if explained.rows > 1 {
        text += &format!("; {} rows have this key", explained.rows);
    }
    if let Some(fresh) = fresh {
        text += &format!("; as of {}", terminal::printable(&as_of::in_words(fresh)));
    }
    format!("({text})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_column_and_whatever_stands_behind_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }

    #[test]
    fn what_is_not_told_is_counted() {
        let tables = vec![
            TableRows { table: "orders".into(), rows: 3 },
            TableRows { table: "order_lines".into(), rows: 4 },
        ];
        let explained =
            ExplainRowResponse { rows: 2, total: 7, changes: vec![RowChange::default(); 2], tables };
        let text = summary(&explained, None);
        assert_eq!(text, "(2 of 7 changes; rows: 3 of orders, 4 of order_lines; 2 rows have this key)");
    }
}
