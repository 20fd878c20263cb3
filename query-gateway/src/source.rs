//! The sources: one task follows each, and hands what it decoded to the one writer.

mod as_of;
mod follow;
mod metrics;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry::global;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tributary_chassis::{Server, StartError, position::Position};

pub use as_of::{AsOf, SourceAsOf};
pub use status::{SourceState, SourceStatus};

use crate::{
    catalog::Catalog,
    config::Config,
    error::StoreError,
    gateway::{Applied, Gateway},
    store::{Filled, Store, Writer, load, queue},
};

/// Bytes on their way to the writer: enough to decode while it commits, and as much as it takes at once.
const WAITING_BYTES: u32 = 8 << 20;

/// Every source with what the store has of it, ready to be followed.
pub(crate) struct Sources {
    gateway: Gateway,
    filled: BTreeMap<String, Filled>,
    sources: Vec<follow::Source>,
    batch_limit: usize,
}

impl Sources {
    /// Takes over what the store has: tables and positions can be queried from here on.
    pub(crate) async fn open(store: Store, config: &Config) -> Result<Self, StoreError> {
        let names: BTreeSet<_> = config.sources.iter().map(|source| source.name.clone()).collect();
        let (filled, commit) = load(&store, &names).await?;
        let tables = filled.values().flat_map(|filled| filled.schema.relations());
        let catalog = Catalog::of(store.dialect()).with(|_| false, tables);
        let position = |filled: &Filled| Position::from(&filled.position);
        let positions = filled.values().map(position).map(|position| (position.service.clone(), position));
        let applied = Applied { commit, positions: positions.collect() };
        let statuses = config.sources.iter().map(|source| {
            let endpoint = source.endpoint.to_string();
            let status = SourceStatus::new(&source.name, endpoint.trim_end_matches('/'));
            match filled.get(&source.name) {
                Some(filled) => {
                    let mut status = status.with(&position(filled));
                    status.commit_time = filled.commit_time;
                    status
                }
                None => status,
            }
        });
        let gateway = Gateway::new(store, catalog, applied, statuses.collect());
        let sources = config.sources.iter().map(|source| follow::Source {
            name: source.name.clone(),
            endpoint: source.endpoint.clone(),
            resnapshot: config.resnapshot.contains(&source.name),
        });
        let batch_limit = config.batch_limit.get();
        Ok(Self { gateway, filled, sources: sources.collect(), batch_limit })
    }

    /// What the other parts share.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Follows and applies until the server shuts down. Should that end by itself, so does the server: nobody is
    /// to be answered from tables that stand still.
    pub(crate) fn start(self, server: &mut Server) -> JoinHandle<()> {
        let (shutdown, ended) = (server.shutdown(), CancellationToken::new());
        let over = ended.clone().drop_guard();
        let running = self.run(shutdown.clone());
        server.fail_on(async move {
            ended.cancelled().await;
            if shutdown.is_cancelled() {
                std::future::pending().await
            }
            StartError::message("applying changes ended by itself, which is a defect")
        });
        tokio::spawn(async move {
            let _over = over;
            running.await;
        })
    }

    /// Follows and applies until `shutdown`; then what was handed over is still applied.
    async fn run(self, shutdown: CancellationToken) {
        let Self { gateway, filled, sources, batch_limit } = self;
        let meter = global::meter("tributary");
        metrics::observe(&meter, gateway.source_changes());
        let (work, received) = queue(WAITING_BYTES, &meter);
        let stops: Vec<_> =
            sources.iter().map(|source| (source.name.clone(), shutdown.child_token())).collect();
        let mut tasks = JoinSet::new();
        for (source, (name, stop)) in sources.into_iter().zip(stops.clone()) {
            let filled = filled.get(&name).cloned();
            let following = tokio::spawn(follow::run(source, gateway.clone(), filled, work.clone(), stop));
            let gateway = gateway.clone();
            tasks.spawn(async move {
                // Whatever a source sends, it can stop no other.
                if let Err(error) = following.await {
                    gateway
                        .update_source(&name, |status| status.stopped(format!("a defect of ours: {error}")));
                }
            });
        }
        drop(work);
        let mut writer = Writer::new(gateway, filled, stops, batch_limit);
        tokio::join!(writer.run(received), tasks.join_all());
    }
}

#[cfg(test)]
mod tests;
