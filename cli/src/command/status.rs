//! `tributary status`.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use clap::Args;
use futures::future::join_all;
use serde_json::{Value, json};
use tonic::{Request, Status as CallStatus, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    endpoint::Target,
    failure::Failure,
    gateway::{self, Gateway, kind, words},
    mesh::{GATEWAY, Mesh},
    render::{Output, Table},
    sagas::{self, Saga},
    terminal,
};

/// A server that takes longer than this to say how it is, is not well.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Show what is up, how far each source is, which views are ready, and which sagas are stuck.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 1 if something is not well: a server that is not healthy, a source that is not \
live, a view that is not ready, a saga that is stuck.

Examples:
  tributary status
  tributary status --output json | jq .sources")]
pub(crate) struct Status {
    /// Form of the answer.
    #[arg(short, long, env = "TRIBUTARY_OUTPUT", default_value = "table", value_name = "FORMAT")]
    output: Output,
}

struct Server {
    name: String,
    address: String,
    health: String,
    well: bool,
    /// By kind; or why they are not known.
    sagas: Result<BTreeMap<String, Saga>, String>,
}

impl Server {
    /// What does not mend itself, or cannot be seen.
    fn problems(&self) -> Vec<String> {
        match &self.sagas {
            Ok(sagas) => (sagas.iter().filter(|(_, saga)| saga.stuck > 0))
                .map(|(kind, saga)| format!("{} has {} of saga {kind} stuck", self.name, saga.stuck))
                .collect(),
            // Of a server that is not well, that has been said.
            Err(why) if self.well => vec![format!("{} gives {why}", self.name)],
            Err(_) => Vec::new(),
        }
    }
}

pub(crate) async fn run(mesh: &Mesh, status: Status) -> Result<(), Failure> {
    let servers = servers(mesh).await?;
    let asked = Gateway::ask(Target::parse(mesh, GATEWAY)?.channel).await;
    let gateway = asked.as_ref().ok();
    let text = match status.output {
        Output::Table => tables(&servers, gateway)?,
        Output::Json => json(&servers, gateway),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    if let Err(refusal) = &asked {
        return Err(Failure::call(GATEWAY, refusal));
    }
    let pending = gateway.map(Gateway::pending).unwrap_or_default();
    let pending = pending.into_iter().map(|problem| format!("{GATEWAY} {problem}"));
    let problems: Vec<_> = pending.chain(servers.iter().flat_map(Server::problems)).collect();
    for problem in &problems {
        terminal::say(&format!("{} {}", terminal::yellow("not well:"), terminal::printable(problem)));
    }
    if problems.is_empty() && servers.iter().all(|server| server.well) {
        Ok(())
    } else {
        Err(Failure::silent())
    }
}

async fn servers(mesh: &Mesh) -> Result<Vec<Server>, Failure> {
    let asked = Target::all(mesh)?.into_iter().map(|target| async {
        let server = mesh.server(&target.name);
        let address = server.map(|server| mesh.address(server.port)).unwrap_or_default();
        let admin = server.map(|server| mesh.address(server.admin_port())).unwrap_or_default();
        let (health, sagas) = tokio::join!(health(target.channel), sagas::ask(&admin));
        let (health, well) = match health {
            Ok(ServingStatus::Serving) => ("serving".to_owned(), true),
            Ok(other) => (words(other.as_str_name()), false),
            Err(status) if std::error::Error::source(&status).is_some() => {
                ("does not answer".to_owned(), false)
            }
            Err(status) => (status.message().to_owned(), false),
        };
        Server { name: target.name, address, health, well, sagas }
    });
    Ok(join_all(asked).await)
}

async fn health(channel: Channel) -> Result<ServingStatus, CallStatus> {
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(TIMEOUT);
    Ok(HealthClient::new(channel).check(request).await?.get_ref().status())
}

fn tables(servers: &[Server], gateway: Option<&Gateway>) -> io::Result<String> {
    let mut out = Vec::new();
    let mut table = Table::new(["server", "address", "health"]);
    for server in servers {
        table.row([&server.name, &server.address, &server.health]);
    }
    table.write(&mut out)?;
    for server in servers {
        for (kind, saga) in server.sagas.iter().flatten() {
            writeln!(out, "{}  saga {}: {}", server.name, terminal::printable(kind), saga.in_words())?;
        }
    }
    if let Some(Gateway { status, views }) = gateway {
        let mut table = Table::new(["source", "state", "applied", "head", "lag", "lag ms", "reason"]);
        (2..6).for_each(|column| table.align_right(column));
        for source in &status.sources {
            let figures = [source.applied, source.head, source.lag, source.lag_ms].map(|n| n.to_string());
            let [applied, head, lag, lag_ms] = &figures;
            let state = words(source.state().as_str_name());
            table.row([&source.name, &state, applied, head, lag, lag_ms, &source.reason]);
        }
        out.push(b'\n');
        table.write(&mut out)?;
        let mut table = Table::new(["table", "source", "rows"]);
        table.align_right(2);
        for base in &status.tables {
            table.row([&base.name, &base.source, &base.rows.to_string()]);
        }
        out.push(b'\n');
        table.write(&mut out)?;
        let mut table = Table::new(["view", "kind", "state", "reason"]);
        for view in views {
            let reason = gateway::filling(view).unwrap_or_else(|| view.reason.clone());
            table.row([&view.name, kind(view), &words(view.state().as_str_name()), &reason]);
        }
        out.push(b'\n');
        table.write(&mut out)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn json(servers: &[Server], gateway: Option<&Gateway>) -> String {
    let servers: Vec<_> = servers
        .iter()
        .map(|s| {
            json!({"name": s.name, "address": s.address, "health": s.health, "well": s.well,
                "sagas": s.sagas.as_ref().ok().map(sagas_json)})
        })
        .collect();
    let mut answer = json!({"servers": servers});
    if let Some(Gateway { status, views }) = gateway {
        answer["complete"] = status.complete.into();
        answer["epoch"] = status.epoch.as_str().into();
        answer["commit"] = status.commit.into();
        let sources = status.sources.iter().map(|s| {
            json!({"name": s.name, "endpoint": s.endpoint, "service": s.service, "epoch": s.epoch,
                "state": s.state().as_str_name(), "applied": s.applied, "head": s.head, "lag": s.lag,
                "lag_ms": s.lag_ms, "reason": s.reason,
                "last_heard": s.last_heard.as_ref().map(ToString::to_string)})
        });
        answer["sources"] = sources.collect();
        let tables =
            status.tables.iter().map(|t| json!({"name": t.name, "source": t.source, "rows": t.rows}));
        answer["tables"] = tables.collect();
        answer["views_problem"] = status.views_problem.as_str().into();
        answer["views"] = views.iter().map(gateway::view_json).collect();
    }
    format!("{answer:#}\n")
}

fn sagas_json(sagas: &BTreeMap<String, Saga>) -> Value {
    let sagas = sagas.iter().map(|(kind, saga)| {
        json!({"saga": kind, "unfinished": saga.unfinished, "oldest_seconds": saga.oldest.as_secs_f64(),
            "stuck": saga.stuck})
    });
    sagas.collect()
}
