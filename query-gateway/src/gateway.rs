//! What the parts of the gateway share: the store, the catalog, how far each source is applied, and how each
//! source is doing.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};
use tributary_chassis::{
    fault::{Fault, Reason},
    position::Position,
};

#[cfg(test)]
use crate::catalog::{Kind, Relation};
use crate::{
    catalog::Catalog,
    database::{Connection, Dialect},
    error::StoreError,
    role::Role,
    source::{AsOf, SourceStatus},
    store::{Store, layout},
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
    /// Held to write while relations of a file and the catalog change, so that who holds it to read finds both the same. In a
    /// database, `store::layout` sees to that.
    layout: RwLock<()>,
    /// By name, as given by `--source`.
    sources: watch::Sender<BTreeMap<String, SourceStatus>>,
    role: watch::Sender<Role>,
}

/// Relations that the store has as soon as a transaction is committed. Who holds it holds the writer.
#[derive(Debug)]
#[must_use = "the catalog has to follow the store"]
pub(crate) struct NewLayout<'g> {
    catalog: Arc<Catalog>,
    /// Keeps others from asking until the catalog follows.
    _changing: Option<RwLockWriteGuard<'g, ()>>,
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
            role: watch::Sender::new(Role::Applying),
        }))
    }

    /// With nothing that is known so far.
    pub(crate) fn of(store: Store) -> Self {
        let catalog = Catalog::of(store.dialect());
        let gateway = Self::new(store, catalog, Applied::default(), Vec::new());
        gateway.set_role(Role::Opening);
        gateway
    }

    /// Puts what is in the store in the place of all that was known.
    pub(crate) fn replace(
        &self,
        catalog: Arc<Catalog>,
        applied: Applied,
        sources: BTreeMap<String, SourceStatus>,
    ) {
        // What is applied comes last: who waits for it is to find all that comes with it.
        self.replace_catalog(catalog);
        self.replace_sources(sources);
        self.0.applied.send_replace(Arc::new(applied));
    }

    /// Puts other relations in the place of those that were known.
    pub(crate) fn replace_catalog(&self, catalog: Arc<Catalog>) {
        self.0.catalog.send_if_modified(|known| {
            let differs = *known != catalog;
            if differs {
                *known = catalog;
            }
            differs
        });
    }

    /// Puts how other sources do in the place of those that were known.
    pub(crate) fn replace_sources(&self, sources: BTreeMap<String, SourceStatus>) {
        self.0.sources.send_replace(sources);
    }

    /// Puts what is applied in the place of what was known.
    pub(crate) fn replace_applied(&self, applied: Applied) {
        self.0.applied.send_if_modified(|known| {
            let differs = **known != applied;
            if differs {
                *known = Arc::new(applied);
            }
            differs
        });
    }

    /// What this gateway does for the store, and whenever that changes.
    pub(crate) fn roles(&self) -> watch::Receiver<Role> {
        self.0.role.subscribe()
    }

    /// It does something else from now on.
    pub(crate) fn set_role(&self, role: Role) {
        self.0.role.send_replace(role);
    }

    /// That it applies, which only one of several gateways does; else whom to ask instead.
    pub(crate) fn applying(&self) -> Result<(), Fault> {
        if *self.0.role.borrow() == Role::Applying {
            return Ok(());
        }
        let text = "this gateway stands by: another one applies changes and keeps the views; ask again, or ask that one";
        Err(Fault::new(Reason::Unavailable, text))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The relations as they are now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.borrow().clone()
    }

    /// A file has the relations of the catalog as long as this is held: long enough to take a snapshot.
    pub(crate) async fn settled_layout(&self) -> Option<RwLockReadGuard<'_, ()>> {
        match self.0.store.dialect() {
            Dialect::Sqlite => Some(self.0.layout.read().await),
            Dialect::Postgres => None,
        }
    }

    /// To be asked before `tx` is committed, with the relations that the store has then.
    pub(crate) async fn change_layout(
        &self,
        tx: &mut Connection,
        catalog: Catalog,
    ) -> Result<NewLayout<'_>, StoreError> {
        let known = self.catalog();
        let same = known.relations == catalog.relations;
        let (layout, changing) = match tx.dialect() {
            Dialect::Sqlite => (known.layout, Some(self.0.layout.write().await)),
            Dialect::Postgres if same => (known.layout, None),
            Dialect::Postgres => (layout::note(tx, &catalog).await?, None),
        };
        // What was compiled against an equal one goes on.
        let catalog = if same { known } else { Arc::new(Catalog { layout, ..catalog }) };
        Ok(NewLayout { catalog, _changing: changing })
    }

    /// The relations, and whenever they change: what a compiled query stands on.
    pub fn catalog_changes(&self) -> watch::Receiver<Arc<Catalog>> {
        self.0.catalog.subscribe()
    }

    /// Changes whenever base tables came, went or got columns, or a view failed by itself; not when views are made.
    pub fn table_changes(&self) -> watch::Receiver<u64> {
        self.0.tables.subscribe()
    }

    /// The transaction is committed with which the store has these relations. What there is of views is made by whoever says
    /// so.
    pub(crate) fn views_changed(&self, layout: NewLayout<'_>) {
        self.replace_catalog(layout.catalog);
    }

    /// The same of the base tables of a source.
    pub(crate) fn tables_changed(&self, layout: NewLayout<'_>) {
        self.replace_catalog(layout.catalog);
        self.0.tables.send_modify(|count| *count += 1);
    }

    /// The same of a version that could not be kept up, and of what is no more with it.
    pub(crate) fn view_failed(&self, version: (String, String), refused: Refused, layout: NewLayout<'_>) {
        self.replace_catalog(layout.catalog);
        self.0.failures.send_modify(|failures| drop(failures.insert(version, refused)));
        self.0.tables.send_modify(|count| *count += 1);
    }

    /// Replaces the base tables of `source`, as a transaction does that takes over a snapshot.
    #[cfg(test)]
    pub(crate) fn set_tables(&self, source: &str, tables: impl IntoIterator<Item = Arc<Relation>>) {
        let of_source =
            |relation: &Relation| matches!(&relation.kind, Kind::Base { source: s, .. } if s == source);
        self.replace_catalog(Arc::new(self.catalog().with(of_source, tables)));
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
