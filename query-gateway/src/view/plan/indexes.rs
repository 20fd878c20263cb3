//! Where the indexes that users ask for are, and why some cannot be.

use super::{Plan, View, ViewState};
use crate::{
    catalog::{Kind, Relation},
    delta::statements::{Version, base_index},
    sql::nearest,
    store::{IndexStatement, Maintained},
    view::definition::Index,
};

/// A statement, and on the tables of which version it is.
type Placed = (Option<i64>, IndexStatement);

/// The index in its state, and its statements: one for each version of a view that has its columns.
pub(super) fn plan(index: &Index, plan: &Plan, maintained: &Maintained) -> (View, Vec<Placed>) {
    let name = &index.index.relation;
    let failed = |reason: String| (index.as_view(ViewState::Failed, index.origin.reason(reason)), Vec::new());
    if !super::outcome::is_plain(&index.index.name) {
        return failed(
            "the name of an index is at most 63 of a-z, 0-9 and _, and begins with a letter".to_owned(),
        );
    }
    if plan.catalog.get(&index.index.name).is_some() {
        return failed("a table or view has this name: choose another".to_owned());
    }
    let Some(relation) = plan.catalog.get(name) else {
        let view = plan.views.iter().find(|view| view.name == *name);
        return match view.filter(|view| view.state == ViewState::Failed) {
            Some(view) => failed(format!("is on the view {name}, which failed: {}", view.reason)),
            None => {
                let reason = format!("waits for the table or view {name}, which is not there yet");
                (index.as_view(ViewState::Pending, reason), Vec::new())
            }
        };
    };
    if let Some(reason) = missing(index, relation) {
        return failed(reason);
    }
    let statements = match &relation.kind {
        Kind::Base { .. } => Ok(vec![(None, base_index(plan.catalog.dialect, &index.index, relation))]),
        Kind::Materialized { .. } => of_versions(index, plan, maintained),
        Kind::View { .. } => Err(format!(
            "CREATE INDEX: {name} is computed when it is read, so that there is nothing to index; \
             write CREATE MATERIALIZED VIEW, or index the tables that it reads"
        )),
    };
    match statements {
        Ok(statements) => {
            let filled = plan.views.iter().all(|view| view.name != *name || view.state == ViewState::Ready);
            let state = if filled { ViewState::Ready } else { ViewState::Building };
            let reason = if filled { String::new() } else { format!("is filled with the view {name}") };
            (index.as_view(state, reason), statements)
        }
        Err(reason) => failed(reason),
    }
}

fn missing(index: &Index, relation: &Relation) -> Option<String> {
    let column = index.index.columns.iter().find(|column| relation.column(&column.name).is_none())?;
    let near = nearest(&column.name, relation.columns.iter().map(|column| column.name.as_str()));
    let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    Some(format!("CREATE INDEX: {} has no column \"{}\"{hint}", relation.name, column.name))
}

/// On the version that is wanted, and on the one that is read until that is complete as far as it has the columns.
fn of_versions(index: &Index, plan: &Plan, maintained: &Maintained) -> Result<Vec<Placed>, String> {
    let name = &index.index.relation;
    let mut statements = Vec::new();
    let mut number = None;
    if let Some(wanted) = plan.wanted.iter().find(|wanted| wanted.name == *name) {
        statements.push(on(index, &wanted.version)?);
        number = Some(wanted.version.number);
    }
    let earlier = maintained.versions().iter().filter(|kept| kept.name == *name);
    let earlier = earlier.filter(|kept| Some(kept.version.number) != number);
    statements.extend(earlier.filter_map(|kept| on(index, &kept.version).ok()));
    Ok(statements)
}

fn on(index: &Index, version: &Version) -> Result<Placed, String> {
    let placed = |statement| (Some(version.number), statement);
    version.index(&index.index).map(placed).map_err(|column| {
        format!(
            "CREATE INDEX: column \"{column}\" is computed when it is read, from what is kept of each group; \
             index the columns that it is grouped by, or a materialized view over this one"
        )
    })
}
