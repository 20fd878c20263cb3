//! What is to be proven: the gateway, with its store, its writer and its views, fed like by its sources.

mod source;

use std::{convert::Infallible, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tributary_chassis::fault::Fault;

pub(super) use self::source::Source;
use super::{
    answer::{Answer, ours},
    mutant::Mutant,
    oracle::Asked,
    script::{Batch, Delivery, Script, View},
};
use crate::{
    catalog::Catalog,
    database::Row,
    error::StoreError,
    lineage::Graph,
    query::cell::Cell,
    schema::{Entity, Image, Table},
    sql,
    store::{
        Changes, Step,
        tests::{
            library::{Bench, crash},
            place::{Engine, Place},
        },
    },
    view::{Follower, ViewFiles, ViewState, Views},
};

/// How cases are run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// In which store.
    pub(super) store: Engine,
    /// A defect that is switched on.
    pub(super) mutant: Option<Mutant>,
}

impl Setting {
    /// In a store, as it should be.
    pub(super) fn of(store: Engine) -> Self {
        Self { store, mutant: None }
    }
}

/// One case in the gateway.
pub(super) struct Subject {
    sources: Vec<Source>,
    bench: Bench,
    files: ViewFiles,
    views: Option<(Views, JoinHandle<Result<Infallible, StoreError>>)>,
    mutant: Option<Mutant>,
    place: Place,
}

/// What a value can be blamed for.
pub(super) const OF_VALUES: [&str; 5] = [
    "division by zero",
    "out of range",
    "integer overflow",
    "invalid input syntax",
    "numeric field overflow",
];

/// Images of a batch, each with its entity.
pub(super) type Images = Vec<(Arc<Entity>, Image)>;

impl Subject {
    /// With every table, all of them empty.
    pub(super) async fn begin(script: &Script, Setting { store, mutant }: Setting) -> Self {
        let place = store.place().await;
        let sources: Vec<_> = script.sources.iter().map(|(name, proto)| Source::new(name, proto)).collect();
        let mut bench = open(&place, &sources).await;
        for source in &sources {
            bench.take(source.snapshot().into_iter().map(|step| (source.name.as_str(), step))).await;
        }
        Self { sources, bench, files: ViewFiles::default(), views: None, mutant, place }
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.sources.iter().flat_map(|source| source.schema.tables())
    }

    /// Creates the views.
    pub(super) async fn create(&mut self, views: &[View]) {
        self.stop_following().await;
        self.files = files(views);
        let opened = Views::open(self.bench.gateway.clone(), self.files.clone()).await;
        self.follow(opened.unwrap());
        self.settle().await;
    }

    /// Applies a batch as one transaction.
    pub(super) async fn apply(&mut self, batch: &Batch) -> Images {
        if batch.delivery == Delivery::Reopened {
            self.reopen().await;
        }
        let (steps, images) = self.steps(batch);
        self.take(steps).await;
        self.settle().await;
        images
    }

    /// Creates the views while a batch is applied: they are filled from rows that change.
    pub(super) async fn create_during(&mut self, batch: &Batch, views: &[View]) -> Images {
        self.stop_following().await;
        self.files = files(views);
        let (steps, images) = self.steps(batch);
        let opened = Views::open(self.bench.gateway.clone(), self.files.clone()).await;
        let (views, mut follower) = opened.unwrap();
        follower.begin_with(1);
        // As far as it comes until the batch does: to another place in each case, and in no case by chance.
        for _ in 0..1 + images.len() % 7 {
            follower.fill_on().await.unwrap();
        }
        self.take(steps).await;
        self.follow((views, follower));
        self.settle().await;
        images
    }

    /// The gateway is started again on what it has stored, when nothing is under way in the one before: two at once is what
    /// no process does.
    async fn reopen(&mut self) {
        self.stop_following().await;
        self.bench = open(&self.place, &self.sources).await;
        self.follow(Views::open(self.bench.gateway.clone(), self.files.clone()).await.unwrap());
        self.settle().await;
    }

    fn follow(&mut self, (views, mut follower): (Views, Follower)) {
        assert!(self.views.is_none(), "the views are followed twice");
        follower.begin_with(1);
        self.views = Some((views, tokio::spawn(follower.run())));
    }

    async fn stop_following(&mut self) {
        if let Some((_, follower)) = self.views.take() {
            follower.abort();
            assert!(follower.await.unwrap_err().is_cancelled(), "the views were not followed any more");
        }
        // What it had begun is rolled back before this is answered.
        self.bench.gateway.store().write().await.query("SELECT 1").execute().await.unwrap();
    }

    /// Waits until no view is on its way any more.
    async fn settle(&mut self) {
        let Some((views, follower)) = &mut self.views else { return };
        let views = views.clone();
        let filled = async {
            views.settled().await;
            let deadline = Instant::now() + Duration::from_secs(60);
            while views.list().iter().any(|view| !matches!(view.state, ViewState::Ready | ViewState::Failed))
            {
                assert!(Instant::now() < deadline, "the views are not filled: {:?}", views.list());
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = filled => {}
            ended = follower => panic!("the views are not followed any more: {ended:?}"),
        }
    }

    /// What can be read.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.bench.gateway.catalog()
    }

    /// What the rows of a view follow from.
    pub(super) async fn graph(&self, view: &str) -> Result<Graph, Fault> {
        let (views, _) = self.views.as_ref().unwrap();
        views.graph(view).await.map(|(graph, _)| graph)
    }

    /// The store as it is now, of a file.
    pub(super) fn copy(&self) -> TempDir {
        crash(self.place.directory().expect("it is a file"))
    }

    /// A view that could not follow or be filled, and not because of a value.
    pub(super) fn defect(&self) -> Option<(String, String)> {
        let failures = self.bench.gateway.failures().into_iter();
        let mut failures = failures.map(|((view, _), refused)| (view, refused.reason));
        failures.find(|(_, reason)| !OF_VALUES.iter().any(|value| reason.contains(value)))
    }

    /// What the sources hand over of a batch.
    fn steps(&mut self, batch: &Batch) -> (Vec<(String, Step)>, Images) {
        let (mut steps, mut images) = (Vec::new(), Vec::new());
        for source in &mut self.sources {
            let after = source.position();
            let taken = source.take(batch);
            let delivered = |image: &&Image| self.mutant.is_none_or(|mutant| mutant.delivers(image));
            let frame = || {
                let images = taken.iter().filter(delivered).cloned().collect();
                let (after, through) = (after.clone(), source.position());
                Step::Changes(Changes { after, through, images, commands: Vec::new(), commit_time: None })
            };
            let own = match batch.delivery {
                Delivery::Once | Delivery::Reopened => vec![frame()],
                Delivery::Twice => vec![frame(), frame()],
                Delivery::Snapshot => source.snapshot(),
            };
            steps.extend(own.into_iter().map(|step| (source.name.clone(), step)));
            let entity = |image: &Image| source.schema.entities[image.entity].clone();
            images.extend(taken.into_iter().map(|image| (entity(&image), image)));
        }
        (steps, images)
    }

    async fn take(&mut self, steps: Vec<(String, Step)>) {
        let (names, steps): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        self.bench.take(names.iter().map(String::as_str).zip(steps)).await;
        for source in self.bench.gateway.sources() {
            assert!(!self.bench.stops[&source.name].is_cancelled(), "{source:?}");
        }
    }

    /// Everything in a view, or why it cannot be read.
    pub(super) async fn ask(&self, view: &str) -> Asked {
        let (views, _) = self.views.as_ref().unwrap();
        let views = views.list();
        let found = views.iter().find(|found| found.name == view).unwrap();
        if found.state != ViewState::Ready {
            return Err(format!("{}: {}", found.state.as_str_name(), found.reason));
        }
        let text = format!("SELECT * FROM {view}");
        let compiled = sql::compile(&text, &self.bench.gateway.catalog(), &[]).unwrap();
        let mut reader = self.bench.gateway.store().read().await.unwrap();
        let rows: Vec<Row> = match reader.composed(compiled.text).all().await {
            Ok(rows) => rows,
            Err(error) => return Err(error.message().unwrap_or_else(|| panic!("{error}")).to_owned()),
        };
        let mut canonical = Vec::with_capacity(rows.len());
        for row in &rows {
            let cells =
                (0..).zip(&compiled.columns).map(|(at, column)| Cell::read(row, at, column).map(ours));
            canonical.push(cells.collect::<Result<_, _>>().map_err(|error| error.to_string())?);
        }
        let columns = compiled.columns.iter().map(|column| (column.name.clone(), column.ty.to_string()));
        Ok(Answer::new(columns.collect(), canonical))
    }
}

async fn open(place: &Place, sources: &[Source]) -> Bench {
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    place.bench(&names).await
}

fn files(views: &[View]) -> ViewFiles {
    ViewFiles::parse(views.iter().map(|view| (format!("{}.sql", view.name), view.create())))
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some((_, follower)) = &self.views {
            follower.abort();
        }
    }
}
