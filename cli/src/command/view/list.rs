//! `tributary view list`.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::Value;
use tributary_proto::query::v1::{
    ListViewsRequest, View, ViewKind, query_gateway_client::QueryGatewayClient,
};

use crate::{
    endpoint::Target,
    failure::Failure,
    gateway::{filling, kind, view_json, within, words},
    mesh::{GATEWAY, Mesh},
    render::{Output, Table},
};

/// List views and indexes: their state, and where they are defined.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tributary view list
  tributary view list --output json | jq '.[] | select(.state == \"FAILED\") | .reason'")]
pub(crate) struct List {
    /// Form of the answer.
    #[arg(short, long, env = "TRIBUTARY_OUTPUT", default_value = "table", value_name = "FORMAT")]
    output: Output,

    /// Gateway to ask, if not the one of the mesh.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER", default_value = GATEWAY)]
    to: String,
}

pub(super) async fn run(mesh: &Mesh, list: List) -> Result<(), Failure> {
    let target = Target::parse(mesh, &list.to)?;
    let listed =
        QueryGatewayClient::new(target.channel.clone()).list_views(within(ListViewsRequest {})).await;
    let views = listed.map_err(|status| Failure::call(&target.name, &status))?.into_inner().views;
    let views: Vec<View> = views.into_iter().filter(|view| view.kind() != ViewKind::TypedQuery).collect();
    let text = match list.output {
        Output::Table => table(&views)?,
        Output::Json => format!("{:#}\n", Value::Array(views.iter().map(view_json).collect())).into_bytes(),
    };
    Ok(io::stdout().lock().write_all(&text)?)
}

fn table(views: &[View]) -> io::Result<Vec<u8>> {
    let mut table = Table::new(["view", "kind", "defined by", "state", "reason"]);
    for view in views {
        let place = if view.file.is_empty() { "view create" } else { &view.file };
        let state = words(view.state().as_str_name());
        let reason = filling(view).unwrap_or_else(|| view.reason.clone());
        table.row([&view.name, kind(view), place, &state, &reason]);
    }
    let mut out = Vec::new();
    table.write(&mut out)?;
    Ok(out)
}
