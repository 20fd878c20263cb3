//! What the parts of the gateway share: the store, the catalog, how far each source is applied, and how each
//! source is doing.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};
use tributary_chassis::position::Position;

use crate::{
    catalog::{Catalog, Kind, Relation},
    database::Connection,
    error::StoreError,
    source::{AsOf, SourceStatus},
    store::Store,
    view::Refused,
};

/// Why versions of views could not be kept up: by view, and fingerprint of the version.
pub(crate) type Failures = BTreeMap<(String, String), Refused>;

/// What is applied, as of one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The gateway's own commit sequence.
    pub commit: u64,
    /// By the name that the service calls itself; none for a source that was never filled.
    pub positions: BTreeMap<String, Position>,
}

/// The shared state; clones share it.
#[derive(Clone, Debug)]
pub struct Gateway(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    catalog: watch::Sender<Arc<Catalog>>,
    /// Counts what views have to follow, so that who answers by changing views does not hear itself.
    tables: watch::Sender<u64>,
    applied: watch::Sender<Arc<Applied>>,
    failures: watch::Sender<Failures>,
    /// Held to write while relations of the store and the catalog change, so that who holds it to read finds both the same.
    layout: RwLock<()>,
    /// By name, as given by `--source`; fixed at start.
    sources: watch::Sender<BTreeMap<String, SourceStatus>>,
}

impl Gateway {
    /// With these sources, none of them connected yet.
    pub fn new(store: Store, catalog: Catalog, applied: Applied, sources: Vec<SourceStatus>) -> Self {
        let sources = sources.into_iter().map(|status| (status.name.clone(), status));
        Self(Arc::new(Shared {
            store,
            catalog: watch::Sender::new(Arc::new(catalog)),
            tables: watch::Sender::new(0),
            applied: watch::Sender::new(Arc::new(applied)),
            failures: watch::Sender::default(),
            layout: RwLock::default(),
            sources: watch::Sender::new(sources.collect()),
        }))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The relations as they are now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.borrow().clone()
    }

    /// The store has the relations of the catalog as long as this is held: long enough to take a snapshot.
    pub(crate) async fn settled_layout(&self) -> RwLockReadGuard<'_, ()> {
        self.0.layout.read().await
    }

    /// To be held from before relations of the store change for others until the catalog has changed too. Whoever holds
    /// it holds the writer.
    pub(crate) async fn change_layout(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.layout.write().await
    }

    /// The relations, and whenever they change: what a compiled query stands on.
    pub fn catalog_changes(&self) -> watch::Receiver<Arc<Catalog>> {
        self.0.catalog.subscribe()
    }

    /// Changes whenever base tables came, went or got columns, or a view failed by itself; not when views are made.
    pub fn table_changes(&self) -> watch::Receiver<u64> {
        self.0.tables.subscribe()
    }

    /// Replaces all views of the catalog; their SQL is in the store by then.
    pub fn set_views(&self, views: impl IntoIterator<Item = Relation>) {
        let views: Vec<_> = views.into_iter().map(Arc::new).collect();
        let is_view = |relation: &Relation| !matches!(relation.kind, Kind::Base { .. });
        self.0.catalog.send_if_modified(|catalog| {
            let changed = catalog.with(is_view, views);
            // What was compiled against an equal one goes on.
            let differs = changed != **catalog;
            if differs {
                *catalog = Arc::new(changed);
            }
            differs
        });
    }

    /// A version could not be kept up, and what users read of these views is no more.
    pub(crate) fn view_failed(&self, version: (String, String), refused: Refused, gone: &[String]) {
        self.0.catalog.send_modify(|catalog| {
            *catalog = Arc::new(catalog.with(|relation| gone.contains(&relation.name), []));
        });
        self.0.failures.send_modify(|failures| drop(failures.insert(version, refused)));
        self.0.tables.send_modify(|count| *count += 1);
    }

    /// Why versions could not be kept up.
    pub(crate) fn failures(&self) -> Failures {
        self.0.failures.borrow().clone()
    }

    /// Forgets the failures of some views: they are tried again.
    pub(crate) fn forgive(&self, views: impl Fn(&str) -> bool) {
        self.0.failures.send_modify(|failures| failures.retain(|(view, _), _| !views(view)));
    }

    /// Replaces the base tables of `source`; they are in the store by then.
    pub(crate) fn set_tables(&self, source: &str, tables: impl IntoIterator<Item = Arc<Relation>>) {
        let of_source =
            |relation: &Relation| matches!(&relation.kind, Kind::Base { source: s, .. } if s == source);
        self.0.catalog.send_modify(|catalog| *catalog = Arc::new(catalog.with(of_source, tables)));
        self.0.tables.send_modify(|count| *count += 1);
    }

    /// What is applied, and whenever that grows. A commit is visible to readers before it is told here.
    pub fn applied(&self) -> watch::Receiver<Arc<Applied>> {
        self.0.applied.subscribe()
    }

    /// A commit is visible, and with it these positions of these sources, each with the commit time of the change there.
    pub(crate) fn advanced<'a>(
        &self,
        commit: u64,
        positions: impl IntoIterator<Item = (&'a str, Position, Option<i64>)>,
    ) {
        let positions: Vec<_> = positions.into_iter().collect();
        for (source, position, commit_time) in &positions {
            self.update_source(source, |status| {
                status.applied(position);
                status.commit_time = *commit_time;
            });
        }
        self.0.applied.send_modify(|applied| {
            let applied = Arc::make_mut(applied);
            applied.commit = commit;
            let positions =
                positions.into_iter().map(|(_, position, _)| (position.service.clone(), position));
            applied.positions.extend(positions);
        });
    }

    /// How each source is doing, in order of name.
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.0.sources.borrow().values().cloned().collect()
    }

    /// How each source is doing, by name, and whenever that changes.
    pub fn source_changes(&self) -> watch::Receiver<BTreeMap<String, SourceStatus>> {
        self.0.sources.subscribe()
    }

    /// Whether a source has another history than the one that is applied.
    pub(crate) fn is_replaced(&self, name: &str) -> bool {
        self.0.sources.borrow().get(name).is_some_and(SourceStatus::is_replaced)
    }

    /// Changes what is known of a source.
    pub(crate) fn update_source(&self, name: &str, change: impl FnOnce(&mut SourceStatus)) {
        self.0.sources.send_modify(|sources| {
            if let Some(status) = sources.get_mut(name) {
                change(status);
            }
        });
    }

    /// What an answer stands on that is read on `reader`, which has a transaction open.
    pub async fn as_of(&self, reader: &mut Connection) -> Result<AsOf, StoreError> {
        AsOf::read(self.store().epoch(), reader, &self.sources()).await
    }
}
