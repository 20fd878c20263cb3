//! Views: the SQL files of a directory and what was created by calls, kept as views of the store. A view waits until all
//! that it reads is there, and follows the tables when they change; one that fails does not keep the others from going on.
//!
//! A materialized view is kept in versions: a new one is filled beside the one that is read, and takes its place when it
//! is complete, in one transaction.

mod availability;
mod change;
mod definition;
mod explain;
mod files;
mod follow;
mod graph;
mod install;
mod metrics;
mod plan;
mod published;
mod stand_in;
mod watch;

use std::{path::PathBuf, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use opentelemetry::global;
use time::OffsetDateTime;
use tokio::sync::{Mutex, Notify, watch as channel};
use tributary_chassis::fault::Fault;
pub use tributary_proto::query::v1::{ViewKind, ViewState};

pub(crate) use self::published::PublishedViews;
use self::{
    definition::{Definitions, Origin, Served},
    install::Wish,
    plan::Plan,
};
pub use self::{explain::Explained, files::ViewFiles, follow::Follower};
use crate::{
    catalog::Column,
    error::StoreError,
    gateway::Gateway,
    store::definitions::{self, Edit},
};

/// The directory of views cannot be read; the gateway does not start with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ViewError {
    /// The directory, or a file in it.
    pub path: PathBuf,
    /// Why not.
    pub reason: String,
}

/// A view, an index, or a file that should have been some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name; that of the file as long as the file cannot be read as SQL.
    pub name: String,
    /// What it is.
    pub kind: ViewKind,
    /// Name of its file; empty for what was created by a call.
    pub file: String,
    /// The query of a view, the statement of an index.
    pub sql: String,
    /// Whether it is as it should be.
    pub state: ViewState,
    /// Why not; empty when it is.
    pub reason: String,
    /// Of a view; empty as long as they are not known.
    pub columns: Vec<Column>,
    /// Since when it has failed.
    pub failure: Option<Failure>,
}

/// Since when something has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it was found.
    pub time: OffsetDateTime,
    /// The change that could not be followed, as text; empty if it was none of a change.
    pub position: String,
}

impl View {
    fn new(
        name: &str,
        kind: ViewKind,
        origin: &Origin,
        sql: String,
        state: ViewState,
        reason: String,
    ) -> Self {
        let (name, file) = (name.to_owned(), origin.file().to_owned());
        Self { name, kind, file, sql, state, reason, columns: Vec::new(), failure: None }
    }
}

/// Why a version of a view could not be kept up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) failure: Failure,
    /// Whether it is filled once more.
    pub(crate) filled_again: bool,
}

impl Refused {
    /// It could not from now on.
    pub(crate) fn now(reason: String, position: &str, filled_again: bool) -> Self {
        let failure = Failure { time: OffsetDateTime::now_utc(), position: position.to_owned() };
        Self { reason, failure, filled_again }
    }

    /// The reason for the log: without the values of rows, which PostgreSQL's words have in quotes.
    pub(crate) fn told(&self) -> String {
        match (self.reason.find('"'), self.reason.rfind('"')) {
            (Some(first), Some(last)) if first < last => {
                format!("{}…{}", &self.reason[..=first], &self.reason[last..])
            }
            _ => self.reason.clone(),
        }
    }
}

/// How far the version that is being filled is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filling {
    /// The view.
    pub view: String,
    /// Rows that were taken in.
    pub rows: u64,
    /// How many there are, of the steps that have begun.
    pub total: u64,
}

/// The views of the gateway as they are now; clones share them.
#[derive(Clone, Debug)]
pub struct Views(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gateway: Gateway,
    /// Who holds it changes views.
    defined: Mutex<Defined>,
    current: ArcSwap<Vec<View>>,
    filling: ArcSwapOption<Filling>,
    /// Why the directory of views cannot be read any more.
    problem: ArcSwapOption<ViewError>,
    /// There may be something to fill.
    work: Notify,
    /// Counts the changes of tables.
    tables: channel::Receiver<u64>,
    /// How many of those the views have followed.
    followed: channel::Sender<u64>,
}

/// All that defines views.
#[derive(Clone, Debug, Default)]
struct Defined {
    files: ViewFiles,
    created: Definitions,
    served: Served,
}

/// What comes with a change of what is defined.
#[derive(Clone, Copy)]
struct Asked<'a> {
    edit: &'a Edit,
    retry: &'a (dyn Fn(&str) -> bool + Sync),
    admit: &'a (dyn Fn(&Plan) -> Result<(), Fault> + Sync),
}

impl Views {
    /// Of which nothing is known so far.
    pub fn new(gateway: Gateway) -> Self {
        let inner = Inner {
            tables: gateway.table_changes(),
            gateway,
            defined: Mutex::default(),
            current: ArcSwap::default(),
            filling: ArcSwapOption::empty(),
            problem: ArcSwapOption::empty(),
            work: Notify::new(),
            followed: channel::Sender::default(),
        };
        let views = Self(Arc::new(inner));
        metrics::observe(&global::meter("tributary"), Arc::downgrade(&views.0));
        views
    }

    /// The views of a gateway whose tables are taken over.
    #[cfg(test)]
    pub(crate) async fn open(gateway: Gateway, files: ViewFiles) -> Result<(Self, Follower), StoreError> {
        let views = Self::new(gateway);
        let follower = views.take_over(files).await?;
        Ok((views, follower))
    }

    /// Brings the views of the store in line with `files` and with what was created by calls: those of files that are gone
    /// vanish. The follower is to be run from then on.
    pub(crate) async fn take_over(&self, files: ViewFiles) -> Result<Follower, StoreError> {
        // Subscribed before the first look, so that no change falls in between.
        let tables = self.0.gateway.table_changes();
        let mut defined = self.0.defined.lock().await;
        let mut writing = self.0.gateway.store().write().await;
        let created = change::read(definitions::created(&mut writing).await?);
        let served = install::served(definitions::served(&mut writing).await?);
        drop(writing);
        *defined = Defined { files, created, served };
        drop(defined);
        self.0.problem.store(None);
        // Of an earlier time at which this one applied.
        self.0.gateway.forgive(|_| true);
        self.adopt().await?;
        self.refresh().await?;
        Ok(Follower::new(self.clone(), tables))
    }

    /// In order of file, those that were created by calls first.
    pub fn list(&self) -> Arc<Vec<View>> {
        self.0.current.load_full()
    }

    /// What is being filled.
    pub fn filling(&self) -> Option<Arc<Filling>> {
        self.0.filling.load_full()
    }

    /// Why the directory of views cannot be read any more.
    pub fn problem(&self) -> Option<Arc<ViewError>> {
        self.0.problem.load_full()
    }

    /// Takes over what an earlier run served, so that a definition that changed since takes its place like any other: once
    /// it is complete.
    async fn adopt(&self) -> Result<(), StoreError> {
        let defined = self.0.defined.lock().await;
        let views = defined.served.values().cloned().collect();
        let definitions = Definitions { views, ..Definitions::default() };
        let (served, edit) = (&defined.served, &Edit::default());
        let (admit, retry) = (&|_: &Plan| Ok(()), &|_: &str| false);
        let wish = Wish { definitions: &definitions, served, edit, retry, admit, adopt: true };
        install::install(&self.0.gateway, wish).await.map(drop)
    }

    /// Brings the views in line with the tables and definitions there are.
    async fn refresh(&self) -> Result<(), StoreError> {
        let mut defined = self.0.defined.lock().await;
        let wanted = defined.clone();
        let admitted = self
            .put(
                &mut defined,
                wanted,
                Asked { edit: &Edit::default(), retry: &|_| false, admit: &|_| Ok(()) },
            )
            .await?;
        debug_assert!(admitted.is_ok(), "nothing was asked");
        Ok(())
    }

    /// Puts `wanted` in the place of what is `defined`, unless the outcome is not admitted.
    async fn put(
        &self,
        defined: &mut Defined,
        mut wanted: Defined,
        asked: Asked<'_>,
    ) -> Result<Result<(), Fault>, StoreError> {
        let changes = *self.0.tables.borrow();
        let definitions = wanted.created.with_files(&wanted.files.definitions);
        let Asked { edit, retry, admit } = asked;
        let served = &defined.served;
        let wish = Wish { definitions: &definitions, served, edit, retry, admit, adopt: false };
        let (plan, served) = match install::install(&self.0.gateway, wish).await? {
            Ok(installed) => installed,
            Err(fault) => return Ok(Err(fault)),
        };
        wanted.served = served;
        *defined = wanted;
        self.publish(plan.views);
        self.0.followed.send_replace(changes);
        self.0.work.notify_one();
        Ok(Ok(()))
    }

    /// Tells users, and the log what is new.
    fn publish(&self, mut views: Vec<View>) {
        let before = self.list();
        for view in views.iter_mut().filter(|view| view.state == ViewState::Failed && view.failure.is_none())
        {
            let known =
                before.iter().find(|known| (&known.name, &known.reason) == (&view.name, &view.reason));
            view.failure = known
                .and_then(|known| known.failure.clone())
                .or_else(|| Some(Failure { time: OffsetDateTime::now_utc(), position: String::new() }));
        }
        let failures = self.0.gateway.failures();
        for view in views.iter().filter(|view| !before.contains(view)) {
            let View { name, file, reason, .. } = view;
            // Others may have failed for what the rows of one made fail.
            let refused = failures.values().filter(|refused| reason.contains(&refused.reason));
            let reason =
                refused.fold(reason.clone(), |text, refused| text.replace(&refused.reason, &refused.told()));
            match view.state {
                ViewState::Failed => tracing::error!(name, file, reason, "a view failed"),
                ViewState::Pending => tracing::info!(name, file, reason, "a view waits"),
                ViewState::Building => tracing::info!(name, file, "a view is being filled"),
                _ => tracing::info!(name, file, "a view is ready"),
            }
        }
        self.0.current.store(Arc::new(views));
    }
}

#[cfg(test)]
mod proof;
#[cfg(test)]
mod tests;
