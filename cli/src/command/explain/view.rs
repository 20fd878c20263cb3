//! `tributary explain view`.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value, json};
use tributary_proto::query::v1::{
    ExplainViewRequest, ExplainViewResponse, Program, query_gateway_client::QueryGatewayClient,
};

use crate::{
    endpoint::Target,
    failure::Failure,
    gateway::{self, within},
    mesh::{GATEWAY, Mesh},
    terminal,
};

/// Show how a view is kept: its plan, the statements that changes run, how long they take, its indexes.
#[derive(Debug, Args)]
#[command(after_help = "\
Times are measured whenever changes are applied, and counted from the start of the gateway.

Examples:
  tributary explain view revenue_by_region
  tributary explain view revenue_by_region --output json | jq '.programs[] | {table, runs, total_us}'")]
pub(crate) struct View {
    /// Name of a view; `tributary view list` has them.
    name: String,

    /// Form of the answer.
    #[arg(short, long, env = "TRIBUTARY_OUTPUT", default_value = "text", value_name = "FORMAT")]
    output: Output,

    /// Gateway to ask, if not the one of the mesh.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER", default_value = GATEWAY)]
    to: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One object
    Json,
}

pub(super) async fn run(mesh: &Mesh, view: View) -> Result<(), Failure> {
    let target = Target::parse(mesh, &view.to)?;
    let request = within(ExplainViewRequest { name: view.name });
    let reply = QueryGatewayClient::new(target.channel.clone()).explain_view(request).await;
    let explained = reply.map_err(|status| Failure::call(&target.name, &status))?.into_inner();
    let text = match view.output {
        // It is of many lines; each is made harmless.
        Output::Text => explained.text.lines().map(|line| terminal::printable(line) + "\n").collect(),
        Output::Json => format!("{:#}\n", json(&explained)),
    };
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

fn json(explained: &ExplainViewResponse) -> Value {
    let ExplainViewResponse { view, reads, nodes, programs, indexes, .. } = explained;
    let nodes = nodes.iter().map(|node| {
        let columns = node.columns.iter().map(|column| json!({"name": column.name, "type": column.r#type}));
        json!({"table": node.table, "operator": node.operator, "columns": columns.collect::<Vec<_>>(),
            "key": node.key, "inputs": node.inputs, "text": node.text})
    });
    let programs = programs.iter().map(|program| {
        let Program { table, statements, runs, changes, total, longest } = program;
        json!({"table": table, "statements": statements, "runs": runs, "changes": changes,
            "total_us": micros(total.as_ref()), "longest_us": micros(longest.as_ref())})
    });
    let indexes =
        indexes.iter().map(|i| json!({"name": i.name, "statement": i.statement, "defined": i.defined}));
    json!({
        "view": view.as_ref().map(gateway::view_json),
        "reads": reads,
        "nodes": nodes.collect::<Vec<_>>(),
        "programs": programs.collect::<Vec<_>>(),
        "indexes": indexes.collect::<Vec<_>>(),
    })
}

fn micros(duration: Option<&prost_types::Duration>) -> i64 {
    duration.map_or(0, |duration| duration.seconds * 1_000_000 + i64::from(duration.nanos) / 1_000)
}
