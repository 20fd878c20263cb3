//! `tributary view create`.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use indicatif::ProgressBar;
use tonic::Status;
use tributary_proto::query::v1::{
    CreateViewRequest, ListViewsRequest, View, ViewState, query_gateway_client::QueryGatewayClient,
};

use crate::{
    endpoint::Target,
    failure::Failure,
    gateway::{filling, within, words},
    input,
    mesh::{GATEWAY, Mesh},
    terminal,
};

/// Between two looks at views that are being filled.
const INTERVAL: Duration = Duration::from_millis(200);

/// Create the views and indexes that a file defines, all of them or none.
#[derive(Debug, Args)]
#[command(after_help = "\
The gateway keeps them until they are dropped, also when it is restarted. While a materialized view that is replaced is \
being filled, queries see the rows of the one before it. The exit code is 1 if something is refused, or fails while it is \
waited for.

Examples:
  tributary view create sales.sql
  tributary view create sales.sql --replace --wait
  echo 'CREATE MATERIALIZED VIEW totals AS SELECT state, count(*) AS orders FROM orders GROUP BY state' | tributary view create -")]
pub(crate) struct Create {
    /// CREATE [MATERIALIZED] VIEW and CREATE INDEX statements; `-` reads them from stdin.
    file: PathBuf,

    /// Take the place of views and indexes of the same names.
    #[arg(long, env = "TRIBUTARY_REPLACE")]
    replace: bool,

    /// Return when all of it is filled.
    #[arg(long, env = "TRIBUTARY_WAIT")]
    wait: bool,

    /// Gateway to ask, if not the one of the mesh.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER", default_value = GATEWAY)]
    to: String,
}

pub(super) async fn run(mesh: &Mesh, create: Create) -> Result<(), Failure> {
    let target = Target::parse(mesh, &create.to)?;
    let sql = input::file(&create.file).await?;
    let refused = |status: Status| Failure::call(&target.name, &status);
    let mut client = QueryGatewayClient::new(target.channel.clone());
    let request = CreateViewRequest { sql, replace: create.replace };
    let mut views = client.create_view(within(request)).await.map_err(refused)?.into_inner().views;
    if create.wait {
        let names: BTreeSet<String> = views.iter().map(|view| view.name.clone()).collect();
        let spinner = terminal::draws().then(ProgressBar::new_spinner);
        while let Some(view) = views.iter().find(|view| is_on_its_way(view)) {
            if let Some(spinner) = &spinner {
                spinner.set_message(said(view));
                spinner.tick();
            }
            tokio::time::sleep(INTERVAL).await;
            let listed = client.list_views(within(ListViewsRequest {})).await.map_err(refused)?;
            let created = |view: &View| names.contains(&view.name) && view.file.is_empty();
            views = listed.into_inner().views.into_iter().filter(created).collect();
        }
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
    }
    views.iter().for_each(|view| terminal::say(&said(view)));
    let failed = views.iter().any(|view| view.state() == ViewState::Failed);
    if failed { Err(Failure::silent()) } else { Ok(()) }
}

fn is_on_its_way(view: &View) -> bool {
    matches!(view.state(), ViewState::Building | ViewState::Pending)
}

fn said(view: &View) -> String {
    let state = words(view.state().as_str_name());
    let more = match filling(view) {
        Some(filling) => format!(": {filling}"),
        None if view.reason.is_empty() => String::new(),
        None => format!(": {}", terminal::printable(&view.reason)),
    };
    format!("{} is {state}{more}", terminal::printable(&view.name))
}
