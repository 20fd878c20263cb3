//! In how many ways changes meet in a plan: each is a SELECT of its own.

use std::collections::BTreeSet;

use super::Context;
use crate::{
    catalog::Kind,
    delta::{
        plan::{Input, NodeId, Plan},
        terms,
    },
    sql::SqlError,
};

/// Terms of one node for the changes of one table: as many SELECTs as SQLite takes in a union.
const MAX_TERMS: usize = 500;

/// A change of one table that reaches a node in too many ways at once would be looked at in as many.
pub(super) fn refuse_too_many_terms(plan: &Plan, context: Context<'_>) -> Result<(), SqlError> {
    let (terms, table) = most_terms(plan, context);
    if terms <= MAX_TERMS {
        return Ok(());
    }
    Err(SqlError::refused(
        format!("table \"{table}\""),
        format!("it occurs so often that its changes meet in {terms} ways, more than {MAX_TERMS}"),
        "put a part of the query into a materialized view of its own",
    ))
}

/// The most terms that any node has for the changes of one table, and which table that is.
pub(super) fn most_terms<'p>(plan: &'p Plan, context: Context<'_>) -> (usize, &'p str) {
    // A view may follow from any of the tables: it can change together with each of them.
    let (views, tables): (Vec<&str>, Vec<&str>) = plan.relations().into_iter().partition(|name| {
        context.catalog.get(name).is_some_and(|relation| !matches!(relation.kind, Kind::Base { .. }))
    });
    let mut most = (0, "");
    for table in tables.into_iter().map(Some).chain([None]) {
        let moved = views.iter().copied().chain(table);
        let mut changed: BTreeSet<Input> = moved.map(|name| Input::Relation(name.to_owned())).collect();
        let table = table.or(views.first().copied()).unwrap_or_default();
        for (at, node) in plan.nodes.iter().enumerate() {
            let terms: usize =
                node.blocks().map(|block| terms::count(block, &|input| changed.contains(input))).sum();
            if terms > most.0 {
                most = (terms, table);
            }
            if node.leaves().iter().any(|leaf| changed.contains(&leaf.input)) {
                changed.insert(Input::Node(NodeId(at)));
            }
        }
    }
    most
}
