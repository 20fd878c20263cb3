//! Whether a relation can be read, whether it is worth waiting for, and why it is not there.

use std::time::Duration;

use tokio::time::timeout;
use tributary_chassis::fault::{Fault, Reason};

use super::{View, ViewState, Views};
use crate::source::SourceStatus;

/// Replacing views takes milliseconds, unless a large snapshot is being taken over.
const SETTLE: Duration = Duration::from_secs(1);

impl Views {
    /// Waits, within reason, until the views have followed every change of the tables so far: who waited
    /// for a source's first rows is to find the views over them, and filled.
    pub async fn settled(&self) {
        self.wait_until(|views| views.iter().all(|view| view.state != ViewState::Building)).await;
    }

    /// Waits, within reason, until a view can be read that is about to be there.
    pub async fn awaited(&self, view: &str) {
        self.wait_until(|views| !is_on_its_way(views, view)).await;
    }

    async fn wait_until(&self, reached: impl Fn(&[View]) -> bool) {
        let (changes, mut followed) = (*self.0.tables.borrow(), self.0.followed.subscribe());
        let settled = followed.wait_for(|followed| *followed >= changes && reached(&self.list()));
        // When it takes longer, the views say themselves that they wait.
        let _ = timeout(SETTLE, settled).await;
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
        let file = if file.is_empty() { String::new() } else { format!(" ({file})") };
        if view.state == ViewState::Failed {
            return Fault::new(Reason::WrongState, format!("view {relation}{file} failed: {reason}"));
        }
        let text = format!("view {relation}{file} is not there yet: it {reason}; {unread}");
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

/// Whether a view is being filled, or waits while one is that it may read.
fn is_on_its_way(views: &[View], name: &str) -> bool {
    let is_built = |view: &View| view.state == ViewState::Building;
    let found = views.iter().find(|view| view.name == name);
    found.is_some_and(|view| is_built(view) || view.state == ViewState::Pending && views.iter().any(is_built))
}
