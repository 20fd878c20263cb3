//! Which views can be there with the tables there are, in which order, and why the others cannot. Pure.

use std::collections::BTreeMap;

use super::{View, ViewState, files::Definition};
use crate::{
    catalog::{Catalog, Column, Kind, Relation},
    sql::{self, Compiled, Problem},
};

/// What should be in the store.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Every definition in its state, in the order of the definitions.
    pub(super) views: Vec<View>,
    /// Those that can be there; each stands behind all that it reads.
    pub(super) relations: Vec<Relation>,
    /// The statement that creates each of `relations`.
    pub(super) creates: Vec<String>,
}

/// How far one definition came.
enum Outcome {
    Ready(Vec<Column>),
    Failed(String),
    /// This relation is unknown.
    Waits(String),
}

/// Plans `definitions` on the tables of `catalog`, whose views are of no account. The store refused those
/// in `refused` before, each for a reason.
pub(super) fn plan(
    definitions: &[Definition],
    catalog: &Catalog,
    refused: &BTreeMap<String, String>,
) -> Plan {
    let mut catalog = catalog.with(|relation| relation.kind == Kind::View, []);
    let mut plan = Plan::default();
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    for Definition { view, file } in definitions {
        let kind = catalog.get(&view.name).map(|relation| &relation.kind);
        let reason = match (kind, refused.get(&view.name)) {
            (Some(Kind::Base { source, .. }), _) => {
                Some(format!("{file}: a table of source {source} has this name: choose another"))
            }
            (_, Some(reason)) => Some(format!("{file}: {reason}")),
            _ if !is_plain(&view.name) => Some(format!(
                "{file}: the name of a view is at most 63 of a-z, 0-9 and _, and begins with a letter"
            )),
            _ => None,
        };
        let outcome = reason.map_or_else(|| Outcome::Waits(String::new()), Outcome::Failed);
        outcomes.insert(&view.name, outcome);
    }
    // Each round can give another one what it waits for, in whatever order the files come.
    loop {
        let mut progress = false;
        for definition in definitions {
            let name = definition.view.name.as_str();
            if !matches!(outcomes.get(name), Some(Outcome::Waits(_))) {
                continue;
            }
            let outcome = match compile(definition, &catalog) {
                Ok((relation, create)) => {
                    let columns = relation.columns.clone();
                    catalog = catalog.with(|_| false, [relation.clone().into()]);
                    plan.relations.push(relation);
                    plan.creates.push(create);
                    progress = true;
                    Outcome::Ready(columns)
                }
                Err(outcome) => outcome,
            };
            outcomes.insert(name, outcome);
        }
        if !progress {
            break;
        }
    }
    plan.views = definitions.iter().map(|definition| view(definition, &outcomes)).collect();
    plan
}

fn compile(definition: &Definition, catalog: &Catalog) -> Result<(Relation, String), Outcome> {
    let view = &definition.view;
    let Compiled { columns, text, .. } =
        sql::compile_view(view, catalog).map_err(|error| match &error.problem {
            Problem::UnknownRelation { name, .. } => Outcome::Waits(name.clone()),
            _ => Outcome::Failed(format!("{}: {error}", definition.file)),
        })?;
    let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
    let create = format!("CREATE VIEW {} ({}) AS {text}", quoted(&view.name), names.join(", "));
    Ok((Relation { name: view.name.clone(), columns, key: Vec::new(), kind: Kind::View }, create))
}

fn view(definition: &Definition, outcomes: &BTreeMap<&str, Outcome>) -> View {
    match outcomes.get(definition.view.name.as_str()) {
        Some(Outcome::Ready(columns)) => {
            View { columns: columns.clone(), ..definition.as_view(ViewState::Ready, String::new()) }
        }
        Some(Outcome::Failed(reason)) => definition.as_view(ViewState::Failed, reason.clone()),
        Some(Outcome::Waits(missing)) => waiting(definition, missing, outcomes),
        None => definition.as_view(ViewState::Pending, String::new()),
    }
}

/// Follows what is missing from view to view: to a table that is not there, to a view that failed, or round
/// in a circle.
fn waiting(definition: &Definition, missing: &str, outcomes: &BTreeMap<&str, Outcome>) -> View {
    let mut way = vec![definition.view.name.as_str()];
    let mut next = missing;
    loop {
        if let Some(start) = way.iter().position(|name| *name == next) {
            let circle = [&way[start..], &[next]].concat().join(" -> ");
            return definition.as_view(
                ViewState::Failed,
                format!("{}: the views read each other: {circle}", definition.file),
            );
        }
        way.push(next);
        match outcomes.get(next) {
            Some(Outcome::Waits(further)) => next = further,
            Some(Outcome::Failed(reason)) => {
                let reason = format!("reads the view {next}, which failed: {reason}");
                return definition.as_view(ViewState::Failed, reason);
            }
            Some(Outcome::Ready(_)) | None => {
                let through = if way.len() > 2 {
                    format!(", through {}", way[1..way.len() - 1].join(", "))
                } else {
                    String::new()
                };
                let reason =
                    format!("waits for the table {next}, which no source has described yet{through}");
                return definition.as_view(ViewState::Pending, reason);
            }
        }
    }
}

/// The names of tables are as plain, and whatever begins with `_` is the gateway's own.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 63 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
}

/// As an identifier of SQLite.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
