//! Keeps the views in step with tables and files, and fills those that are materialized.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::pending,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    Asked, Defined, Filling, ViewFiles, Views,
    watch::{Seen, Watch},
};
use crate::{
    error::StoreError,
    store::{FIRST_SIZE, Fill, definitions::Edit, fail},
};

/// How long a turn of filling lasts. Behind each come the changes that have arrived by then, which take as long as they
/// take, and by the second where they are behind: within these bounds a turn is as long as it was waited for, so that
/// views and changes have equal shares. By a chunk a turn a view would hardly be filled under load.
const TURN: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(1);

/// Is to be run for as long as there are views.
#[derive(Debug)]
pub struct Follower {
    views: Views,
    tables: watch::Receiver<u64>,
    directory: Option<PathBuf>,
    fill: Option<Fill>,
    /// Rows with which a fill begins.
    first_size: usize,
    turn: RangeInclusive<Duration>,
}

impl Follower {
    pub(super) fn new(views: Views, tables: watch::Receiver<u64>) -> Self {
        Self { views, tables, directory: None, fill: None, first_size: FIRST_SIZE, turn: TURN }
    }

    /// Fills a chunk a turn and begins with so many rows: the smaller, the more changes come in between.
    #[cfg(test)]
    pub(super) fn begin_with(&mut self, rows: usize) {
        (self.first_size, self.turn) = (rows, Duration::ZERO..=Duration::ZERO);
    }

    /// Keeps an eye on the directory that the files came from, too.
    pub fn watching(mut self, directory: Option<PathBuf>) -> Self {
        self.directory = directory;
        self
    }

    /// Follows for as long as it is polled; resolves when the store fails.
    pub(crate) async fn run(mut self) -> Result<Infallible, StoreError> {
        let (views, directory) = (self.views.clone(), self.directory.take());
        let watch = async move {
            match directory {
                Some(directory) => views.watch(&directory).await,
                None => pending().await,
            }
        };
        tokio::select! {
            failed = self.follow() => failed,
            failed = watch => failed,
        }
    }

    async fn follow(&mut self) -> Result<Infallible, StoreError> {
        // The gateway is gone, and all tables with it.
        while self.step().await? {}
        pending().await
    }

    /// Follows a change of the tables, or fills something for a while, or waits for either.
    async fn step(&mut self) -> Result<bool, StoreError> {
        if self.tables.has_changed().unwrap_or(false) {
            self.tables.mark_unchanged();
            self.views.refresh().await?;
            return Ok(true);
        }
        if self.fill_on().await? {
            // Whoever waits to write comes before the next turn: the lock is handed on in the order of asking.
            tokio::task::yield_now().await;
            return Ok(true);
        }
        tokio::select! {
            changed = self.tables.changed() => match changed {
                Ok(()) => self.views.refresh().await?,
                Err(_) => return Ok(false),
            },
            () = self.views.0.work.notified() => {}
        }
        Ok(true)
    }

    /// Fills the first version that is not complete, by the chunks that begin within a turn; false if there is none.
    pub(super) async fn fill_on(&mut self) -> Result<bool, StoreError> {
        let gateway = &self.views.0.gateway;
        let asked = Instant::now();
        let mut writing = gateway.store().write().await;
        let (began, waited) = (Instant::now(), asked.elapsed());
        let turn = waited.clamp(*self.turn.start(), *self.turn.end());
        let Some(number) = writing.maintained.open() else {
            self.views.0.filling.store(None);
            return Ok(false);
        };
        let fill = match &mut self.fill {
            Some(fill) if fill.number() == number => fill,
            other => other.insert(Fill::new(number, self.first_size)),
        };
        let view = writing.maintained.get(number).map(|kept| kept.name.clone()).unwrap_or_default();
        let mut stepped = fill.step(&mut writing).await;
        while matches!(stepped, Ok(false)) && began.elapsed() < turn {
            stepped = fill.step(&mut writing).await;
        }
        match stepped {
            Ok(false) => {
                let filling = Filling { view, rows: fill.rows(), total: fill.total() };
                self.views.0.filling.store(Some(Arc::new(filling)));
            }
            Ok(true) => {
                tracing::info!(view, version = number, rows = fill.rows(), "a view is filled");
                drop(fill.span(&view));
                drop(writing);
                self.views.refresh().await?;
            }
            Err(StoreError::View { version, source, .. }) => {
                let what = ("it cannot be filled", "");
                drop(fill.span(&view).failed(what.0));
                fail(gateway, &mut writing, version, &source, what).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

impl Views {
    /// Takes the files of a directory in the place of those before: what failed in one that changed is tried again.
    async fn replace_files(&self, files: ViewFiles) -> Result<(), StoreError> {
        let mut defined = self.0.defined.lock().await;
        let changed: BTreeSet<String> = files.changed(&defined.files).map(str::to_owned).collect();
        let retried = |name: &str| {
            files.definitions.view(name).is_some_and(|view| changed.contains(view.origin.file()))
        };
        let wanted = Defined { files: files.clone(), ..defined.clone() };
        let asked = Asked { edit: &Edit::default(), retry: &retried, admit: &|_| Ok(()) };
        let admitted = self.put(&mut defined, wanted, asked).await?;
        debug_assert!(admitted.is_ok(), "nothing was asked");
        Ok(())
    }

    /// Keeps an eye on the directory that the files came from.
    async fn watch(&self, directory: &Path) -> Result<Infallible, StoreError> {
        let mut watch = Watch::new(directory, self.0.defined.lock().await.files.texts.clone());
        loop {
            match watch.next().await {
                Seen::Files(texts) => {
                    tracing::info!(directory = %directory.display(), "the files of views changed");
                    self.replace_files(ViewFiles::parse(texts)).await?;
                    self.0.problem.store(None);
                }
                Seen::Same => self.0.problem.store(None),
                Seen::Problem(error) => {
                    tracing::error!(%error, "the views stay as they are: their files cannot be read");
                    self.0.problem.store(Some(Arc::new(error)));
                }
            }
        }
    }
}
