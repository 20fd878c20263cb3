//! The one writer: takes what the sources hand over, as much as has arrived, and commits it at once. So a
//! batch is one change while little happens, and thousands while much does.

use std::{collections::BTreeMap, time::SystemTime};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tributary_chassis::{fault::causes, position::Position};

use super::{
    apply::{self, Batch},
    fail::fail,
    load::Filled,
    maintained::Maintained,
    snapshot::Snapshot,
    statements::Statements,
    visible::{Relations, Seen, Visible},
    work::{Begin, Changes, Step, Work},
};
use crate::{database::Error, error::StoreError, gateway::Gateway};

/// Bytes of one transaction, which are in memory several times over.
const MAX_BYTES: usize = 8 << 20;

/// The writer, and what it knows of each source.
#[derive(Debug)]
pub(crate) struct Writer {
    gateway: Gateway,
    statements: Statements,
    feeds: BTreeMap<String, Feed>,
    /// Images of one transaction: beyond some thousands a larger one is no faster, and readers wait longer for what is
    /// in it. A single frame, which is at most about a mebibyte, is never cut.
    limit: usize,
    visible: Visible,
}

#[derive(Debug)]
struct Feed {
    filled: Option<Filled>,
    snapshot: Option<Snapshot>,
    /// Cancelled once nothing more of the source is to be applied.
    stop: CancellationToken,
}

impl Writer {
    /// With what the store knows. Each source is given with the token by which it is stopped.
    pub(crate) fn new(
        gateway: Gateway,
        mut filled: BTreeMap<String, Filled>,
        sources: impl IntoIterator<Item = (String, CancellationToken)>,
        limit: usize,
    ) -> Self {
        let feeds = sources.into_iter().map(|(name, stop)| {
            let filled = filled.remove(&name);
            (name, Feed { filled, snapshot: None, stop })
        });
        let (statements, visible) = (Statements::default(), Visible::default());
        Self { gateway, statements, feeds: feeds.collect(), limit, visible }
    }

    /// Applies what comes until nobody is left to send, or nothing can be written any more.
    pub(crate) async fn run(&mut self, mut work: mpsc::UnboundedReceiver<Work>) -> Result<(), StoreError> {
        // What was one too many for the batch before.
        let mut held = None;
        loop {
            let first = match held.take() {
                Some(held) => held,
                None => match work.recv().await {
                    Some(first) => first,
                    None => return Ok(()),
                },
            };
            let (mut images, mut bytes) = (first.step.images(), first.bytes);
            let mut taken = vec![first];
            while let Ok(next) = work.try_recv() {
                (images, bytes) = (images + next.step.images(), bytes + next.bytes);
                if images > self.limit || bytes > MAX_BYTES {
                    held = Some(next);
                    break;
                }
                taken.push(next);
            }
            self.take(taken).await?;
        }
    }

    /// Changes of all sources together; a step of a snapshot is a transaction of its own.
    async fn take(&mut self, work: Vec<Work>) -> Result<(), StoreError> {
        let mut frames: BTreeMap<String, Vec<Changes>> = BTreeMap::new();
        for Work { source, step, waiting, place, .. } in work {
            drop((waiting, place));
            let Some(feed) = self.feeds.get(&source).filter(|feed| !feed.stop.is_cancelled()) else {
                continue;
            };
            match step {
                Step::Changes(changes) if feed.snapshot.is_none() => {
                    frames.entry(source).or_default().push(changes)
                }
                step => {
                    self.commit(std::mem::take(&mut frames)).await?;
                    if let Err(error) = self.step(&source, step).await {
                        self.stop(&source, error)?;
                    }
                }
            }
        }
        self.commit(frames).await
    }

    /// Applies changes of any number of sources. If that fails, each alone, so that only the source at fault
    /// stops.
    async fn commit(&mut self, frames: BTreeMap<String, Vec<Changes>>) -> Result<(), StoreError> {
        let mut batches = Vec::new();
        for (source, frames) in frames {
            let Some(filled) = self.feeds.get(&source).and_then(|feed| feed.filled.clone()) else { continue };
            match Batch::of(&filled, frames) {
                Ok(batch) if batch.through == filled.position => {}
                Ok(batch) => batches.push((source, filled, batch)),
                Err(error) => self.stop(&source, error)?,
            }
        }
        if batches.len() > 1 {
            match self.commit_all(&batches).await {
                Err(error) if !error.ends_writing() => {}
                ended => return ended,
            }
        }
        for batch in batches {
            if let Err(error) = self.commit_all(std::slice::from_ref(&batch)).await {
                self.stop(&batch.0, error)?;
            }
        }
        Ok(())
    }

    async fn commit_all(&mut self, batches: &[(String, Filled, Batch)]) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        let (store, began) = (self.gateway.store().clone(), SystemTime::now());
        let (commit, seen) = loop {
            let mut writing = store.write().await;
            match apply::commit(&mut writing, &mut self.statements, batches).await {
                Err(StoreError::View { version, source, .. }) => {
                    drop(writing);
                    let since =
                        batches.iter().map(|(_, _, batch)| Position::from(&batch.through).to_string());
                    let since = since.collect::<Vec<_>>().join(", ");
                    self.fail(version, &source, &format!("it cannot follow {since}"), &since).await?;
                }
                applied => break (applied?, seen(batches, &writing.maintained)),
            }
        };
        for (source, _, batch) in batches {
            if let Some(filled) = self.feeds.get_mut(source).and_then(|feed| feed.filled.as_mut()) {
                filled.position = batch.through.clone();
                filled.commit_time = batch.commit_time.or(filled.commit_time);
            }
        }
        let filled = batches
            .iter()
            .filter_map(|(source, ..)| Some((source.as_str(), self.feeds.get(source)?.filled.as_ref()?)));
        let reached =
            filled.map(|(source, filled)| (source, Position::from(&filled.position), filled.commit_time));
        self.gateway.advanced(commit, reached);
        let changes: usize = batches.iter().map(|(_, _, batch)| batch.images.len()).sum();
        let micros = began.elapsed().unwrap_or_default().as_micros();
        tracing::debug!(commit, changes, micros, "applied");
        self.visible.applied(began, changes);
        let batch = self.visible.tell("apply".to_owned(), began, &seen);
        drop(batch.map(|batch| {
            batch.with("tributary.changes", changes as i64).with("tributary.commit", commit.cast_signed())
        }));
        Ok(())
    }

    /// A step of a snapshot, or changes that follow one.
    async fn step(&mut self, source: &str, step: Step) -> Result<(), StoreError> {
        if let Step::Begin(begin) = &step {
            self.admit(source, begin)?;
        }
        let store = self.gateway.store().clone();
        let mut writer = store.write().await;
        let Some(feed) = self.feeds.get_mut(source) else { return Ok(()) };
        match (step, &mut feed.snapshot) {
            (Step::Begin(begin), snapshot) => {
                self.statements.clear();
                *snapshot = Some(Snapshot::begin(&mut writer, begin).await?);
            }
            (Step::Rows(images), Some(snapshot)) => {
                snapshot.rows(&mut writer, &mut self.statements, &images).await?;
            }
            (Step::Changes(changes), Some(snapshot)) => {
                snapshot.changes(&mut writer, &mut self.statements, changes).await?;
            }
            (Step::End { high }, Some(snapshot)) => snapshot.end(high),
            (_, None) => {}
        }
        drop(writer);
        if self.feeds.get(source).and_then(|feed| feed.snapshot.as_ref()).is_some_and(Snapshot::exact) {
            self.finish(source).await?;
        }
        Ok(())
    }

    /// The snapshot of `source` is exact: base tables, catalog and position change at once.
    async fn finish(&mut self, source: &str) -> Result<(), StoreError> {
        let Some(feed) = self.feeds.get_mut(source) else { return Ok(()) };
        let Some(snapshot) = feed.snapshot.take() else { return Ok(()) };
        // Another source may have taken a name since the snapshot began.
        self.admit(source, snapshot.begun())?;
        let gateway = self.gateway.clone();
        let store = gateway.store();
        let (filled, commit) = loop {
            let Some(feed) = self.feeds.get(source) else { return Ok(()) };
            let mut writing = store.write().await;
            match snapshot.finish(&mut writing, source, feed.filled.as_ref(), &gateway).await {
                Err(StoreError::View { version, source: error, .. }) => {
                    drop(writing);
                    let since = Position::from(snapshot.through()).to_string();
                    let what = format!("it cannot follow the snapshot of {source} at {since}");
                    self.fail(version, &error, &what, &since).await?;
                }
                finished => {
                    let (filled, commit, layout) = finished?;
                    // Before anybody else can change relations.
                    gateway.tables_changed(layout);
                    break (filled, commit);
                }
            }
        };
        let Some(feed) = self.feeds.get_mut(source) else { return Ok(()) };
        self.statements.clear();
        let position = Position::from(&filled.position);
        tracing::info!(source, %position, "filled by a snapshot");
        let (schema, commit_time) = (filled.schema.clone(), filled.commit_time);
        feed.filled = Some(filled);
        self.gateway.advanced(commit, [(source, position, commit_time)]);
        self.gateway.update_source(source, |status| status.filling(false));
        let mut writing = store.write().await;
        let ((began, commands), name) = (snapshot.seen(), format!("snapshot {source}"));
        let seen = Seen { source, schema: &schema, commands };
        let relations = seen.relations(&writing.maintained);
        let told = self.visible.tell(name.clone(), began, &[(seen, relations)]);
        drop(
            told.unwrap_or_else(|| self.visible.of_its_own(name, began))
                .with("tributary.commit", commit.cast_signed()),
        );
        Snapshot::clear(&mut writing, &snapshot.begun().schema).await
    }

    /// Gives up a view that cannot follow, with all that read it: what comes after goes on without them.
    async fn fail(&self, version: i64, error: &Error, what: &str, since: &str) -> Result<(), StoreError> {
        let store = self.gateway.store();
        fail(&self.gateway, &mut *store.write().await, version, error, (what, since)).await
    }

    /// Whether a source may have the tables, the name and the history with which a snapshot begins.
    fn admit(&self, source: &str, begin: &Begin) -> Result<(), StoreError> {
        begin.schema.check_against(&self.gateway.catalog())?;
        let stored =
            self.feeds.get(source).and_then(|feed| feed.filled.as_ref()).map(|filled| &filled.position);
        if let Some(stored) = stored.filter(|stored| !begin.accepted && stored.epoch != begin.low.epoch) {
            return Err(StoreError::Foreign {
                stored: Position::from(stored),
                source_name: source.to_owned(),
            });
        }
        let service = &begin.low.service;
        for (other, feed) in self.feeds.iter().filter(|(other, _)| *other != source) {
            if feed.filled.as_ref().is_some_and(|filled| filled.position.service == *service) {
                return Err(StoreError::Twice { service: service.clone(), other: other.clone() });
            }
        }
        Ok(())
    }

    /// Visibly: nothing more of the source is applied. What ends all writing is not the source's fault, and is given back.
    fn stop(&self, source: &str, error: StoreError) -> Result<(), StoreError> {
        if error.ends_writing() {
            return Err(error);
        }
        let reason = causes(&error);
        tracing::error!(source, reason, "stopped");
        self.gateway.update_source(source, |status| status.stopped(reason));
        if let Some(feed) = self.feeds.get(source) {
            feed.stop.cancel();
        }
        Ok(())
    }
}

/// The commands of some batches, with where they can be seen.
fn seen<'a>(batches: &'a [(String, Filled, Batch)], maintained: &Maintained) -> Vec<(Seen<'a>, Relations)> {
    let seen = batches.iter().map(|(source, filled, Batch { commands, .. })| {
        let seen = Seen { source, schema: &filled.schema, commands };
        let relations = seen.relations(maintained);
        (seen, relations)
    });
    seen.collect()
}
