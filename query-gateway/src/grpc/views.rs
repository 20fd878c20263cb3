//! Views as messages.

use std::time::SystemTime;

use time::OffsetDateTime;
use tributary_proto::query::v1 as proto;

use crate::{
    query::columns,
    view::{Explained, Filling, View, Views},
};

/// A view as it is now.
pub(super) fn message(view: &View, views: &Views) -> proto::View {
    let filling = views.filling().filter(|filling| filling.view == view.name);
    let filling = filling.filter(|_| view.state == proto::ViewState::Building);
    proto::View {
        name: view.name.clone(),
        state: view.state.into(),
        reason: view.reason.clone(),
        columns: columns(&view.columns),
        sql: view.sql.clone(),
        kind: view.kind.into(),
        file: view.file.clone(),
        filling: filling.map(|filling| {
            let Filling { rows, total, .. } = *filling;
            proto::Filling { rows, total }
        }),
        failure: view.failure.as_ref().map(|failure| proto::Failure {
            time: Some(timestamp(failure.time)),
            position: failure.position.clone(),
        }),
    }
}

fn timestamp(time: OffsetDateTime) -> prost_types::Timestamp {
    SystemTime::from(time).into()
}

/// How a typed query is answered, for people.
pub(super) fn explained_method(view: &proto::View, reads: &str, steps: &[String]) -> String {
    let proto::View { name, reason, sql, .. } = view;
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let mut text = format!("typed query {name} is {}{why}\n\n  {sql}\n", view.state().as_str_name());
    if !reads.is_empty() {
        text += &format!("\nIt is answered by\n\n  {reads}\n\nin these steps\n\n  {}\n", steps.join("\n  "));
    }
    text
}

/// How a view is kept.
pub(super) fn explained(explained: Explained, views: &Views) -> proto::ExplainViewResponse {
    let text = explained.to_string();
    let Explained { view, reads, nodes, programs, indexes } = explained;
    let nodes = nodes.into_iter().map(|node| {
        let column = |(name, r#type)| proto::Column { name, r#type };
        proto::PlanNode {
            table: node.table,
            operator: node.operator.to_owned(),
            columns: node.columns.into_iter().map(column).collect(),
            key: node.key,
            inputs: node.inputs,
            text: node.text,
        }
    });
    let duration = |duration| prost_types::Duration::try_from(duration).unwrap_or_default();
    let programs = programs.into_iter().map(|program| proto::Program {
        table: program.table,
        statements: program.statements,
        runs: program.timing.runs,
        changes: program.timing.changes,
        total: Some(duration(program.timing.total)),
        longest: Some(duration(program.timing.longest)),
    });
    let indexes = indexes.into_iter().map(|(index, defined)| proto::Index {
        name: index.name,
        statement: index.text,
        defined,
    });
    proto::ExplainViewResponse {
        view: Some(message(&view, views)),
        text,
        reads,
        nodes: nodes.collect(),
        programs: programs.collect(),
        indexes: indexes.collect(),
    }
}
