//! The views as the gateway that keeps them tells those that do not.

use std::{path::PathBuf, sync::Arc};

use prost::Message;
use time::OffsetDateTime;

use super::{Failure, Filling, View, ViewError, ViewKind, ViewState, Views};
use crate::catalog::StoredColumn;

/// Numbers only grow: gateways of two versions may share a store while they are upgraded.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublishedViews {
    #[prost(message, repeated, tag = "1")]
    views: Vec<PublishedView>,
    #[prost(message, optional, tag = "2")]
    filling: Option<PublishedFilling>,
    #[prost(message, optional, tag = "3")]
    problem: Option<PublishedProblem>,
}

#[derive(Clone, PartialEq, Message)]
struct PublishedView {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(enumeration = "ViewKind", tag = "2")]
    kind: i32,
    #[prost(string, tag = "3")]
    file: String,
    #[prost(string, tag = "4")]
    sql: String,
    #[prost(enumeration = "ViewState", tag = "5")]
    state: i32,
    #[prost(string, tag = "6")]
    reason: String,
    #[prost(message, repeated, tag = "7")]
    columns: Vec<StoredColumn>,
    #[prost(message, optional, tag = "8")]
    failure: Option<PublishedFailure>,
}

#[derive(Clone, PartialEq, Message)]
struct PublishedFailure {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    time: i64,
    #[prost(string, tag = "2")]
    position: String,
}

#[derive(Clone, PartialEq, Message)]
struct PublishedFilling {
    #[prost(string, tag = "1")]
    view: String,
    #[prost(uint64, tag = "2")]
    rows: u64,
    #[prost(uint64, tag = "3")]
    total: u64,
}

#[derive(Clone, PartialEq, Message)]
struct PublishedProblem {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    reason: String,
}

impl Views {
    /// As they are told.
    pub(crate) fn published(&self) -> PublishedViews {
        PublishedViews {
            views: self.list().iter().map(published).collect(),
            filling: self.filling().map(|filling| {
                let Filling { view, rows, total } = (*filling).clone();
                PublishedFilling { view, rows, total }
            }),
            problem: self.problem().map(|problem| PublishedProblem {
                path: problem.path.display().to_string(),
                reason: problem.reason.clone(),
            }),
        }
    }

    /// Shows what was told.
    pub(crate) fn show(&self, published: PublishedViews) {
        let PublishedViews { views, filling, problem } = published;
        let filling = filling.map(|PublishedFilling { view, rows, total }| Filling { view, rows, total });
        let problem =
            problem.map(|PublishedProblem { path, reason }| ViewError { path: PathBuf::from(path), reason });
        self.0.current.store(Arc::new(views.into_iter().map(view).collect()));
        self.0.filling.store(filling.map(Arc::new));
        self.0.problem.store(problem.map(Arc::new));
        // Whoever waits for a view looks again.
        self.0.followed.send_replace(*self.0.tables.borrow());
    }
}

fn published(view: &View) -> PublishedView {
    PublishedView {
        name: view.name.clone(),
        kind: view.kind.into(),
        file: view.file.clone(),
        sql: view.sql.clone(),
        state: view.state.into(),
        reason: view.reason.clone(),
        columns: view.columns.iter().map(StoredColumn::of).collect(),
        failure: view.failure.as_ref().map(|failure| PublishedFailure {
            time: failure.time.unix_timestamp(),
            position: failure.position.clone(),
        }),
    }
}

fn view(published: PublishedView) -> View {
    View {
        kind: published.kind(),
        state: published.state(),
        name: published.name,
        file: published.file,
        sql: published.sql,
        reason: published.reason,
        columns: published.columns.into_iter().filter_map(StoredColumn::read).collect(),
        failure: published.failure.and_then(|failure| {
            let time = OffsetDateTime::from_unix_timestamp(failure.time).ok()?;
            Some(Failure { time, position: failure.position })
        }),
    }
}
