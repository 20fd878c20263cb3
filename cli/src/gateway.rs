//! How the query gateway is: its sources, its views, and what is wrong with them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tonic::{Request, Status, transport::Channel};
use tributary_proto::query::v1::{
    GetStatusRequest, GetStatusResponse, ListViewsRequest, Source, SourceState, View, ViewKind, ViewState,
    query_gateway_client::QueryGatewayClient,
};

/// Both answers come from memory.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the gateway says about itself.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    pub(crate) status: GetStatusResponse,
    pub(crate) views: Vec<View>,
}

impl Gateway {
    /// Asks it.
    pub(crate) async fn ask(channel: Channel) -> Result<Self, Status> {
        let mut client = QueryGatewayClient::new(channel);
        let status = client.get_status(within(GetStatusRequest {})).await?.into_inner();
        let views = client.list_views(within(ListViewsRequest {})).await?.into_inner().views;
        Ok(Self { status, views })
    }

    /// What does not mend itself: sources that stopped, views that failed.
    pub(crate) fn broken(&self) -> Vec<String> {
        let sources = self.status.sources.iter().filter(|source| source.state() == SourceState::Stopped);
        let views = self.views.iter().filter(|view| view.state() == ViewState::Failed);
        sources
            .map(|source| format!("source {} has stopped: {}", source.name, source.reason))
            .chain(views.map(|view| format!("view {} has failed: {}", view.name, view.reason)))
            .collect()
    }

    /// What is not as it should be, also where that is only a matter of time.
    pub(crate) fn pending(&self) -> Vec<String> {
        let sources = self.status.sources.iter().filter(|source| source.state() != SourceState::Live);
        let views = self.views.iter().filter(|view| view.state() != ViewState::Ready);
        let mut pending: Vec<_> = sources.map(waits_for_source).chain(views.map(waits_for_view)).collect();
        if !self.status.views_problem.is_empty() {
            pending.push(format!("cannot read the files of its views: {}", self.status.views_problem));
        }
        if pending.is_empty() && !self.status.complete {
            pending.push("its answers are not complete yet".to_owned());
        }
        pending
    }
}

/// A request with a limit to its time.
pub(crate) fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}

fn waits_for_source(source: &Source) -> String {
    let name = &source.name;
    match source.state() {
        SourceState::Snapshot => format!("takes a snapshot of {name}"),
        SourceState::CatchingUp => format!("catches up with {name}"),
        SourceState::Stopped => format!("no longer follows {name}: {}", source.reason),
        _ if source.reason.is_empty() => format!("connects to {name}"),
        _ => format!("waits for {name}: {}", source.reason),
    }
}

fn waits_for_view(view: &View) -> String {
    match (view.state(), view.reason.as_str()) {
        (ViewState::Building, _) => match filling(view) {
            Some(filling) => format!("builds view {}: {filling}", view.name),
            None => format!("builds view {}", view.name),
        },
        (ViewState::Failed, reason) => format!("has failed with view {}: {reason}", view.name),
        (_, "") => format!("waits with view {}", view.name),
        (_, reason) => format!("waits with view {}: {reason}", view.name),
    }
}

/// How far a view is that is being filled.
pub(crate) fn filling(view: &View) -> Option<String> {
    view.filling.as_ref().map(|filling| format!("{} of {} rows are in it", filling.rows, filling.total))
}

/// What something is, in the words of SQL.
pub(crate) fn kind(view: &View) -> &'static str {
    match view.kind() {
        ViewKind::Unspecified => "unreadable",
        ViewKind::Computed => "view",
        ViewKind::Materialized => "materialized view",
        ViewKind::Index => "index",
        ViewKind::TypedQuery => "typed query",
    }
}

/// All that is known of a view.
pub(crate) fn view_json(view: &View) -> Value {
    let columns = view.columns.iter().map(|column| json!({"name": column.name, "type": column.r#type}));
    json!({
        "name": view.name,
        "kind": view.kind().as_str_name(),
        "file": view.file,
        "state": view.state().as_str_name(),
        "reason": view.reason,
        "columns": columns.collect::<Vec<_>>(),
        "sql": view.sql,
        "filling": view.filling.as_ref().map(|f| json!({"rows": f.rows, "total": f.total})),
        "failed_at": view.failure.as_ref().and_then(|f| f.time.as_ref()).map(ToString::to_string),
        "failed_position": view.failure.as_ref().map(|failure| failure.position.as_str()),
    })
}

/// `CATCHING_UP` => `catching up`.
pub(crate) fn words(name: &str) -> String {
    name.to_lowercase().replace('_', " ")
}

/// Decides when the gateway has caught up with a mesh that goes on writing: each source is live, and past
/// the head that it had when it was first seen so.
#[derive(Debug, Default)]
pub(crate) struct CaughtUp {
    goals: BTreeMap<String, u64>,
}

impl CaughtUp {
    /// What is still to wait for; nothing is the end. `sources` is how many there have to be.
    pub(crate) fn waits_for(&mut self, gateway: &Gateway, sources: usize) -> Option<String> {
        let mut pending = gateway.pending();
        if gateway.status.sources.len() < sources {
            pending.push(format!("knows {} of {sources} sources", gateway.status.sources.len()));
        }
        for source in &gateway.status.sources {
            if source.state() != SourceState::Live {
                self.goals.remove(&source.name);
            } else if source.applied < *self.goals.entry(source.name.clone()).or_insert(source.head) {
                pending.push(format!("catches up with {}", source.name));
            }
        }
        pending.into_iter().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(state: SourceState, applied: u64, head: u64) -> Gateway {
        let source =
            Source { name: "orders".into(), state: state.into(), applied, head, ..Source::default() };
        Gateway {
            status: GetStatusResponse {
                sources: vec![source],
                complete: true,
                ..GetStatusResponse::default()
            },
            views: Vec::new(),
        }
    }

    #[test]
    fn a_live_source_that_others_write_to_is_caught_up_at_the_head_first_seen() {
        let mut caught_up = CaughtUp::default();
        assert!(caught_up.waits_for(&gateway(SourceState::CatchingUp, 1, 10), 1).is_some());
        assert!(caught_up.waits_for(&gateway(SourceState::Live, 9, 10), 1).is_some());
        assert_eq!(caught_up.waits_for(&gateway(SourceState::Live, 10, 15), 1), None);
    }

    #[test]
    fn every_source_has_to_be_there() {
        assert!(CaughtUp::default().waits_for(&gateway(SourceState::Live, 1, 1), 2).is_some());
    }

    #[test]
    fn a_view_that_waits_is_waited_for_and_one_that_failed_is_broken() {
        let mut gateway = gateway(SourceState::Live, 1, 1);
        gateway.views = vec![View { name: "v".into(), state: ViewState::Pending.into(), ..View::default() }];
        assert!(CaughtUp::default().waits_for(&gateway, 1).is_some());
        assert!(gateway.broken().is_empty());
        gateway.views[0].state = ViewState::Failed.into();
        assert_eq!(gateway.broken().len(), 1);
    }

    #[test]
    fn a_source_that_stopped_is_broken() {
        assert_eq!(gateway(SourceState::Stopped, 1, 1).broken().len(), 1);
    }
}
