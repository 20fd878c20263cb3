//! The gateway behind the six services that a test plays.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use shop_proto::insights::v1::insights_client::InsightsClient;
use tempfile::TempDir;
use tonic::{Response, Status, transport::Channel};
use tributary_proto::query::v1::{ExplainViewRequest, ListViewsRequest, ViewState};

use super::Cast;
use crate::{binaries, clients::Clients, process::Process, wait};

/// What a gateway is started with; as for users, unless said otherwise.
#[derive(Debug)]
pub struct Script {
    /// A directory of views.
    pub views: PathBuf,
    /// A file of typed queries.
    pub api: PathBuf,
}

impl Default for Script {
    fn default() -> Self {
        let views = binaries::root().join("query-gateway/views");
        Self { views, api: binaries::root().join("proto/shop/shop/insights/v1/insights.proto") }
    }
}

/// A gateway that follows a cast.
#[derive(Debug)]
pub struct Played {
    /// Who publishes, and what.
    pub cast: Cast,
    /// Of the gateway; there are no services behind the others.
    pub clients: Clients,
    /// Of `shop.insights.v1`.
    pub insights: InsightsClient<Channel>,
    _gateway: Process,
    _root: TempDir,
}

impl Played {
    /// An empty shop.
    pub async fn start() -> Self {
        Self::start_with(Cast::assemble().await, &Script::default()).await
    }

    /// A gateway that finds what the cast has shown so far.
    pub async fn start_with(cast: Cast, script: &Script) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let gateway = start_gateway(root.path(), &cast, script).await;
        let url = gateway.url();
        let clients = Clients::connect(|_| url.clone());
        let insights = InsightsClient::new(gateway.channel());
        let played = Self { cast, clients, insights, _gateway: gateway, _root: root };
        played.wait_ready().await;
        played
    }

    /// Every view and every typed query can be read; patience begins anew with each step that is made.
    async fn wait_ready(&self) {
        let mut seen = String::new();
        while let Some(now) = self.pending_but(&seen).await {
            seen = now;
        }
    }

    /// What the views wait for, as soon as that is something else; `None` when nothing is left.
    async fn pending_but(&self, seen: &str) -> Option<String> {
        wait::until("the views are looked at", || async {
            let views = self.clients.gateway.clone().list_views(ListViewsRequest {}).await;
            let views = views.map_err(|status| status.to_string())?.into_inner().views;
            let coming = views.iter().filter(|view| view.state() != ViewState::Ready);
            let pending: Vec<_> =
                coming.map(|view| format!("{} {} {:?}", view.name, view.reason, view.filling)).collect();
            let now = pending.join("; ");
            if now.is_empty() {
                Ok(None)
            } else if now != seen {
                Ok(Some(now))
            } else {
                Err(now)
            }
        })
        .await
    }

    /// How a view or a typed query is answered, for people.
    pub async fn explain(&self, name: &str) -> String {
        let request = ExplainViewRequest { name: name.to_owned() };
        self.clients.gateway.clone().explain_view(request).await.expect("an explanation").into_inner().text
    }
}

/// What was found; `None` when the answer is NOT_FOUND.
pub(super) fn found<T: Debug>(answer: Result<Response<T>, Status>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) if status.code() == tonic::Code::NotFound => None,
        Err(status) => panic!("{status:?}"),
    }
}

async fn start_gateway(root: &Path, cast: &Cast, script: &Script) -> Process {
    let mut arguments = cast.sources();
    arguments.push(format!("--views={}", script.views.display()));
    arguments.push(format!("--api={}", script.api.display()));
    Process::start_gateway(root, cast.host(), arguments).await
}
