//! `tributary view drop`.

use clap::Args;
use tributary_proto::query::v1::{DropViewRequest, query_gateway_client::QueryGatewayClient};

use crate::{
    endpoint::Target,
    failure::Failure,
    gateway::within,
    mesh::{GATEWAY, Mesh},
};

/// Drop a view with its indexes, or an index, that `view create` created.
#[derive(Debug, Args)]
#[command(after_help = "\
What other views or typed queries read is not dropped: they are named. What a file of --views defines is dropped by removing \
it there.

Examples:
  tributary view drop totals
  tributary view drop totals --missing-ok")]
pub(crate) struct Drop {
    /// Name of a view or index; `tributary view list` has them.
    name: String,

    /// What is not there is no error.
    #[arg(long, env = "TRIBUTARY_MISSING_OK")]
    missing_ok: bool,

    /// Gateway to ask, if not the one of the mesh.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER", default_value = GATEWAY)]
    to: String,
}

pub(super) async fn run(mesh: &Mesh, drop: Drop) -> Result<(), Failure> {
    let target = Target::parse(mesh, &drop.to)?;
    let request = within(DropViewRequest { name: drop.name, missing_ok: drop.missing_ok });
    let dropped = QueryGatewayClient::new(target.channel.clone()).drop_view(request).await;
    dropped.map(|_| ()).map_err(|status| Failure::call(&target.name, &status))
}
