//! Views: the SQL files of a directory, kept as views of the store. A view waits until all that it reads is
//! there, and follows the tables when they change; one that fails does not keep the others from going on.
//!
//! A materialized view is kept in versions: a new one is filled beside the one that is read, and takes its place when it
//! is complete, in one transaction.

mod files;
mod install;
mod plan;

use std::{collections::BTreeMap, future::pending, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};
use tributary_chassis::{
    StartError,
    fault::{Fault, Reason},
};
pub use tributary_proto::query::v1::ViewState;

pub use self::files::ViewFiles;
use crate::{
    catalog::Column,
    error::StoreError,
    gateway::Gateway,
    source::SourceStatus,
    store::{
        Fill,
        maintained::{self, Occasion},
    },
};

/// Replacing views takes milliseconds, unless a large snapshot is being taken over.
const SETTLE: Duration = Duration::from_secs(1);

/// The directory of views cannot be read; the gateway does not start with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ViewError {
    /// The directory, or a file in it.
    pub path: PathBuf,
    /// Why not.
    pub reason: String,
}

/// A view, or a file that should have been one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name; that of the file as long as the file cannot be read as SQL.
    pub name: String,
    /// Name of its file.
    pub file: String,
    /// As it stands in its file.
    pub sql: String,
    /// Whether it can be queried.
    pub state: ViewState,
    /// Why not; empty when it can.
    pub reason: String,
    /// Empty as long as it cannot.
    pub columns: Vec<Column>,
}

/// Why a view cannot be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Fingerprint of the version that could not be kept; none for what the store did not take at all.
    pub(crate) fingerprint: Option<String>,
    /// Whether another version of it is filled.
    pub(crate) filled_again: bool,
    pub(crate) reason: String,
}

/// The views of the gateway as they are now; clones share them.
#[derive(Clone, Debug)]
pub struct Views(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gateway: Gateway,
    files: ViewFiles,
    current: ArcSwap<Vec<View>>,
    /// Counts the changes of tables.
    tables: watch::Receiver<u64>,
    /// How many of those the views have followed.
    followed: watch::Sender<u64>,
    /// What the store could not keep, with the definition that asked for it.
    refused: Mutex<BTreeMap<String, Refused>>,
}

/// Keeps the views in step with the tables, and fills those that are materialized.
#[derive(Debug)]
pub struct Follower {
    views: Views,
    tables: watch::Receiver<u64>,
    fill: Option<Fill>,
}

impl Views {
    /// Brings the views of the store in line with `files`: those of files that are gone vanish. The follower
    /// is to be run from then on.
    pub async fn open(gateway: Gateway, files: ViewFiles) -> Result<(Self, Follower), StoreError> {
        // Subscribed before the first look, so that no change falls in between.
        let tables = gateway.table_changes();
        let inner = Inner {
            gateway,
            files,
            current: ArcSwap::default(),
            tables: tables.clone(),
            followed: watch::Sender::default(),
            refused: Mutex::default(),
        };
        let views = Self(Arc::new(inner));
        views.refresh().await?;
        Ok((views.clone(), Follower { views, tables, fill: None }))
    }

    /// In order of file.
    pub fn list(&self) -> Arc<Vec<View>> {
        self.0.current.load_full()
    }

    /// Waits, within reason, until the views have followed every change of the tables so far: who waited
    /// for a source's first rows is to find the views over them.
    pub async fn settled(&self) {
        let (changes, mut followed) = (*self.0.tables.borrow(), self.0.followed.subscribe());
        let settled = followed.wait_for(|followed| *followed >= changes);
        // When it takes longer, the views say themselves that they wait.
        let _ = timeout(SETTLE, settled).await;
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let Inner { gateway, files, current, tables, followed, refused } = &*self.0;
        let changes = *tables.borrow();
        let plan = install::install(gateway, files, &mut *refused.lock().await).await?;
        let before = current.swap(Arc::new(plan.views.clone()));
        for view in plan.views.iter().filter(|view| !before.contains(view)) {
            let View { name, file, reason, .. } = view;
            match view.state {
                ViewState::Failed => tracing::error!(name, file, reason, "a view failed"),
                ViewState::Pending => tracing::info!(name, file, reason, "a view waits"),
                ViewState::Building => tracing::info!(name, file, "a view is being filled"),
                _ => tracing::info!(name, file, "a view is ready"),
            }
        }
        followed.send_replace(changes);
        Ok(())
    }

    /// Why there is no relation of this name, and what would have to happen first.
    pub fn absent(&self, relation: &str) -> Fault {
        let unread = self.unread();
        let unread = if unread.is_empty() {
            "each source was read".to_owned()
        } else {
            format!("not read so far: {}", unread.join("; "))
        };
        let views = self.list();
        let Some(view) = views.iter().find(|view| view.name == relation) else {
            let text = format!("table {relation} is not there yet: no source has described it; {unread}");
            return Fault::new(Reason::Unavailable, text);
        };
        let View { file, reason, .. } = view;
        if view.state == ViewState::Failed {
            return Fault::new(Reason::WrongState, format!("view {relation} ({file}) failed: {reason}"));
        }
        let text = format!("view {relation} ({file}) is not there yet: it {reason}; {unread}");
        Fault::new(Reason::Unavailable, text)
    }

    /// Whether a relation that nobody knows may still come: from a source that was never read, or as a view
    /// that waits or failed.
    pub fn may_come(&self, relation: &str) -> bool {
        !self.unread().is_empty() || self.list().iter().any(|view| view.name == relation)
    }

    /// Sources whose tables nobody knows, each with why.
    fn unread(&self) -> Vec<String> {
        let sources = self.0.gateway.sources();
        let unread = sources.iter().filter(|source| source.epoch.is_empty());
        let described = unread.map(|source| {
            let SourceStatus { name, endpoint, state, reason, .. } = source;
            let why = if reason.is_empty() { "" } else { ", " };
            format!("{name} at {endpoint} ({}{why}{reason})", state.as_str_name())
        });
        described.collect()
    }
}

impl Follower {
    /// Follows for as long as it is polled; resolves when the store fails.
    pub async fn fail(mut self) -> StartError {
        loop {
            match self.step().await {
                Ok(true) => {}
                // The gateway is gone, and all tables with it.
                Ok(false) => return pending().await,
                Err(error) => return StartError::new("keeping the views", error),
            }
        }
    }

    /// Follows a change of the tables, or fills something for a while, or waits for either.
    async fn step(&mut self) -> Result<bool, StoreError> {
        if self.tables.has_changed().unwrap_or(false) {
            self.tables.mark_unchanged();
            self.views.refresh().await?;
        } else if self.fill_on().await? {
            // Whoever waits to write comes before the next chunk: the lock is handed on in the order of asking.
            tokio::task::yield_now().await;
        } else if self.tables.changed().await.is_ok() {
            self.views.refresh().await?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Fills the first version that is not complete, a chunk of it; false if there is none.
    async fn fill_on(&mut self) -> Result<bool, StoreError> {
        let gateway = &self.views.0.gateway;
        let mut writing = gateway.store().write().await;
        let Some(number) = writing.maintained.open() else { return Ok(false) };
        let fill = match &mut self.fill {
            Some(fill) if fill.number() == number => fill,
            other => other.insert(Fill::new(number)),
        };
        match fill.step(&mut writing).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(version = number, rows = fill.rows(), "a view is filled");
                drop(writing);
                self.views.refresh().await?;
            }
            Err(StoreError::View { version, view, source }) => {
                let version = (version, view.as_str());
                maintained::fail(gateway, &mut writing, version, &source, Occasion::Filling).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod proof;
#[cfg(test)]
mod tests;
