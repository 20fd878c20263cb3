//! The sources: one task follows each, and hands what it decoded to the one writer.

mod as_of;
mod follow;
mod metrics;
mod status;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use opentelemetry::{global, metrics::Meter};
use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tributary_chassis::position::Position;

pub use as_of::{AsOf, SourceAsOf};
pub(crate) use status::PublishedSource;
pub use status::{SourceState, SourceStatus};

use crate::{
    catalog::{Catalog, Kind, Relation},
    config::Config,
    database::Dialect,
    error::StoreError,
    gateway::{Applied, Gateway},
    store::{Filled, Store, Writer, layout, load, queue},
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
    /// Of a gateway that knows nothing so far.
    #[cfg(test)]
    pub(crate) async fn open(store: Store, config: &Config) -> Result<Self, StoreError> {
        Self::take_over(Gateway::of(store), config).await
    }

    /// Takes over what the store has: tables and positions can be queried from here on. Views are as they were, for whoever
    /// keeps them.
    pub(crate) async fn take_over(gateway: Gateway, config: &Config) -> Result<Self, StoreError> {
        let store = gateway.store().clone();
        let names: BTreeSet<_> = config.sources.iter().map(|source| source.name.clone()).collect();
        let (filled, commit) = load(&store, &names).await?;
        let tables = filled.values().flat_map(|filled| filled.schema.relations());
        let is_base = |relation: &Relation| matches!(relation.kind, Kind::Base { .. });
        let catalog = known(&store).await?.with(is_base, tables);
        let position = |filled: &Filled| Position::from(&filled.position);
        let positions = filled.values().map(position).map(|position| (position.service.clone(), position));
        let applied = Applied { commit, positions: positions.collect() };
        let statuses = config.sources.iter().map(|source| {
            let endpoint = source.endpoint.to_string();
            let status = SourceStatus::new(&source.name, endpoint.trim_end_matches('/'));
            let status = match filled.get(&source.name) {
                Some(filled) => status.with(&position(filled), filled.commit_time),
                None => status,
            };
            (source.name.clone(), status)
        });
        gateway.replace(Arc::new(catalog), applied, statuses.collect());
        let sources = config.sources.iter().map(|source| follow::Source {
            name: source.name.clone(),
            endpoint: source.endpoint.clone(),
            resnapshot: config.resnapshot.contains(&source.name),
        });
        let batch_limit = config.batch_limit.get();
        Ok(Self { gateway, filled, sources: sources.collect(), batch_limit })
    }

    /// What the other parts share.
    #[cfg(test)]
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Follows and applies until `shutdown`; then what was handed over is still applied. Ends earlier if nothing can be
    /// written any more.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let Self { gateway, filled, sources, batch_limit } = self;
        let (work, received) = queue(WAITING_BYTES, &global::meter("tributary"));
        let stop = shutdown.child_token();
        let stops: Vec<_> = sources.iter().map(|source| (source.name.clone(), stop.child_token())).collect();
        let mut tasks = JoinSet::new();
        for (source, (name, stop)) in sources.into_iter().zip(stops.clone()) {
            let filled = filled.get(&name).cloned();
            let following = follow::run(source, gateway.clone(), filled, work.clone(), stop);
            // Of what is not waited for any more nothing goes on.
            let following = AbortOnDropHandle::new(tokio::spawn(following));
            let gateway = gateway.clone();
            tasks.spawn(async move {
                // Whatever a source sends, it can stop no other.
                if let Err(error) = following.await {
                    gateway
                        .update_source(&name, |status| status.stopped(format!("a defect of ours: {error}")));
                }
            });
        }
        let told = stop.clone();
        tasks.spawn(async move {
            // Whoever has no source yet is still asked, and has views to fill: the writer waits until it is told to stop.
            told.cancelled().await;
            drop(work);
        });
        let mut writer = Writer::new(gateway, filled, stops, batch_limit);
        let applied = writer.run(received).await;
        // Nobody takes any more.
        stop.cancel();
        tasks.join_all().await;
        applied
    }
}

/// The relations as the store has noted them, of a store that others read too.
async fn known(store: &Store) -> Result<Catalog, StoreError> {
    let nothing = Catalog::of(store.dialect());
    match store.dialect() {
        Dialect::Sqlite => Ok(nothing),
        // What another version wrote is written anew.
        Dialect::Postgres => Ok(layout::noted(&mut *store.write().await).await?.unwrap_or(nothing)),
    }
}

/// Tells of the sources whenever metrics are collected.
pub(crate) fn observe(meter: &Meter, gateway: &Gateway) {
    metrics::observe(meter, gateway.source_changes());
}

#[cfg(test)]
pub(crate) mod tests;
