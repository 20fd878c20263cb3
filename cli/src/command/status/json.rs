//! What was seen, for programs.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use serde_json::{Value, json};
use tributary_proto::query::v1::Source;

use super::seen::{Seen, Server};
use crate::{
    gateway::{self, Gateway},
    sagas::Saga,
};

/// Everything. What the gateway tells is missing where it tells nothing.
pub(super) fn object(seen: &Seen) -> Value {
    let servers: Vec<_> = seen.servers.iter().map(server).collect();
    let mut answer = json!({"time": Timestamp::from(seen.at).to_string(), "problems": seen.all_problems(),
        "servers": servers});
    if let Ok(Gateway { status, views }) = &seen.gateway {
        answer["complete"] = status.complete.into();
        answer["epoch"] = status.epoch.as_str().into();
        answer["commit"] = status.commit.into();
        answer["role"] = status.role().as_str_name().into();
        answer["sources"] = status.sources.iter().map(source).collect();
        let tables =
            status.tables.iter().map(|t| json!({"name": t.name, "source": t.source, "rows": t.rows}));
        answer["tables"] = tables.collect();
        answer["views_problem"] = status.views_problem.as_str().into();
        answer["views"] = views.iter().map(gateway::view_json).collect();
    }
    answer
}

fn server(server: &Server) -> Value {
    json!({"name": server.name, "address": server.address, "health": server.health, "well": server.well,
        "sagas": server.sagas.as_ref().ok().map(sagas)})
}

fn sagas(sagas: &BTreeMap<String, Saga>) -> Value {
    let sagas = sagas.iter().map(|(kind, saga)| {
        json!({"saga": kind, "unfinished": saga.unfinished, "oldest_seconds": saga.oldest.as_secs_f64(),
            "stuck": saga.stuck})
    });
    sagas.collect()
}

/// What is not known is null.
fn source(source: &Source) -> Value {
    json!({"name": source.name, "endpoint": source.endpoint, "service": source.service, "epoch": source.epoch,
        "state": source.state().as_str_name(), "applied": source.applied, "head": source.head,
        "lag": source.lag, "lag_ms": source.lag_ms, "reason": source.reason,
        "last_heard": source.last_heard.as_ref().map(ToString::to_string)})
}
