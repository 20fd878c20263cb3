//! What was seen, as tables for people.

use std::io::{self, Write};

use tributary_proto::query::v1::{Role, Source, Table as BaseTable, View, ViewState};

use super::seen::{Seen, Server};
use crate::{
    gateway::{self, Gateway, kind, words},
    render::Table,
    terminal,
};

/// What is not known.
const UNKNOWN: &str = "?";

/// Everything.
pub(super) fn all(seen: &Seen) -> io::Result<String> {
    let mut out = Vec::new();
    servers(&seen.servers, &mut out)?;
    if let Ok(Gateway { status, views }) = &seen.gateway {
        role(status.role(), &mut out)?;
        self::sources(&status.sources, &mut out)?;
        base_tables(&status.tables, &mut out)?;
        self::views(views, &mut out)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// What changes from one look to the next: all but the views that are ready, which are counted.
pub(super) fn brief(seen: &[Server], gateway: Option<&Gateway>) -> io::Result<String> {
    let mut out = Vec::new();
    servers(seen, &mut out)?;
    if let Some(Gateway { status, views }) = gateway {
        role(status.role(), &mut out)?;
        self::sources(&status.sources, &mut out)?;
        base_tables(&status.tables, &mut out)?;
        let (ready, others): (Vec<_>, Vec<_>) =
            views.iter().partition(|view| view.state() == ViewState::Ready);
        if !others.is_empty() {
            self::views(others, &mut out)?;
        }
        writeln!(out, "\n{} of {} views, indexes and typed queries are ready", ready.len(), views.len())?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn servers(servers: &[Server], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(["server", "address", "health"]);
    for server in servers {
        table.row([&server.name, &server.address, &server.health]);
    }
    table.write(out)?;
    for server in servers {
        for (kind, saga) in server.sagas.iter().flatten() {
            writeln!(out, "{}  saga {}: {}", server.name, terminal::printable(kind), saga.in_words())?;
        }
    }
    Ok(())
}

/// Of several gateways, that the one which was asked only answers.
fn role(role: Role, out: &mut impl Write) -> io::Result<()> {
    match role {
        Role::Standby => writeln!(out, "this gateway stands by: another one applies changes"),
        Role::Applying | Role::Unspecified => Ok(()),
    }
}

fn sources(sources: &[Source], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(["source", "state", "applied", "head", "lag", "lag ms", "reason"]);
    (2..6).for_each(|column| table.align_right(column));
    for source in sources {
        let [applied, head] = [source.applied, source.head].map(|n| n.to_string());
        let [lag, lag_ms] =
            [source.lag, source.lag_ms].map(|n| n.map_or_else(|| UNKNOWN.to_owned(), |n| n.to_string()));
        let state = words(source.state().as_str_name());
        table.row([&source.name, &state, &applied, &head, &lag, &lag_ms, &source.reason]);
    }
    writeln!(out)?;
    table.write(out)
}

fn base_tables(tables: &[BaseTable], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(["table", "source", "rows"]);
    table.align_right(2);
    for base in tables {
        table.row([&base.name, &base.source, &base.rows.to_string()]);
    }
    writeln!(out)?;
    table.write(out)
}

fn views<'a>(views: impl IntoIterator<Item = &'a View>, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(["view", "kind", "state", "reason"]);
    for view in views {
        let reason = gateway::filling(view).unwrap_or_else(|| view.reason.clone());
        table.row([&view.name, kind(view), &words(view.state().as_str_name()), &reason]);
    }
    writeln!(out)?;
    table.write(out)
}
