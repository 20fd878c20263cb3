//! How the gateway is doing, read in one snapshot.

use std::{collections::HashMap, time::SystemTime};

use tributary_proto::query::v1::{self as proto, GetStatusResponse, Source, Table};

use crate::{
    catalog::{Kind, Relation},
    error::StoreError,
    gateway::Gateway,
    query::columns,
    role::Role,
    source::AsOf,
};

pub(super) async fn status(gateway: &Gateway) -> Result<(GetStatusResponse, AsOf), StoreError> {
    let failed = StoreError::sql("reading the status");
    let mut reader = gateway.store().read().await?;
    let mut snapshot = reader.snapshot_of_layout().await.map_err(&failed)?;
    let as_of = gateway.as_of(&mut snapshot).await?;
    let rows: Vec<(String, i64)> =
        snapshot.query("SELECT name, rows FROM _tables").all().await.map_err(&failed)?;
    snapshot.rollback().await.map_err(&failed)?;
    let rows: HashMap<_, _> = rows.into_iter().collect();
    let catalog = gateway.catalog();
    let tables = catalog.relations.values().filter_map(|relation| table(relation, &rows)).collect();
    let status = GetStatusResponse {
        epoch: as_of.own.epoch.clone(),
        commit: as_of.own.sequence,
        sources: sources(gateway, &as_of),
        tables,
        complete: as_of.complete(),
        views_problem: String::new(),
        role: role(*gateway.roles().borrow()).into(),
    };
    Ok((status, as_of))
}

fn role(role: Role) -> proto::Role {
    match role {
        Role::Applying => proto::Role::Applying,
        Role::Standby => proto::Role::Standby,
        Role::Opening => proto::Role::Unspecified,
    }
}

fn sources(gateway: &Gateway, as_of: &AsOf) -> Vec<Source> {
    let known = gateway.sources().into_iter().zip(&as_of.sources);
    known
        .map(|(status, part)| Source {
            name: status.name,
            endpoint: status.endpoint,
            service: status.service,
            epoch: if part.filled { part.position.epoch.clone() } else { String::new() },
            applied: part.position.sequence,
            head: status.head,
            lag: part.lag,
            lag_ms: part.lag_ms,
            state: part.state.into(),
            reason: status.reason,
            last_heard: status.last_heard.map(|time| SystemTime::from(time).into()),
        })
        .collect()
}

/// Nothing for a view.
fn table(relation: &Relation, rows: &HashMap<String, i64>) -> Option<Table> {
    let Kind::Base { source, .. } = &relation.kind else { return None };
    Some(Table {
        name: relation.name.clone(),
        source: source.clone(),
        columns: columns(&relation.columns),
        rows: rows.get(&relation.name).map_or(0, |rows| rows.cast_unsigned()),
        key: relation.key.clone(),
    })
}
