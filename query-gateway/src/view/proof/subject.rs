//! What is to be proven: the gateway, with its store, its writer and its views, fed like by its sources.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prost::Message as _;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tributary_chassis::StartError;
use tributary_proto::feed::v1::Position;

use super::{
    answer::{Answer, ours},
    mutant::Mutant,
    oracle::Asked,
    script::{self, Batch, Delivery, Script},
};
use crate::{
    query::cell::Cell,
    schema::{
        Entity, Image, Schema, Value,
        fixture::{Published, publish},
    },
    sql,
    store::{Begin, Changes, Step, tests::library::Bench},
    view::{ViewFiles, ViewState, Views},
};

/// What a value can be blamed for.
const OF_VALUES: [&str; 5] = [
    "division by zero",
    "out of range",
    "integer overflow",
    "invalid input syntax",
    "numeric field overflow",
];

/// One case in the gateway.
pub(super) struct Subject {
    sources: Vec<Source>,
    bench: Bench,
    views: Option<(Views, JoinHandle<StartError>)>,
    mutant: Option<Mutant>,
    _directory: TempDir,
}

/// A source, and how it stands.
struct Source {
    name: String,
    published: Published,
    schema: Arc<Schema>,
    head: u64,
    /// By entity and key.
    images: HashMap<(usize, Vec<Value>), Image>,
}

impl Subject {
    /// With every table, all of them empty.
    pub(super) async fn begin(script: &Script, mutant: Option<Mutant>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<_> = script.sources.iter().map(|(name, _)| name.as_str()).collect();
        let mut bench = Bench::open(directory.path(), &names).await;
        let sources: Vec<_> = script.sources.iter().map(|(name, proto)| Source::new(name, proto)).collect();
        for source in &sources {
            bench.take(source.snapshot().into_iter().map(|step| (source.name.as_str(), step))).await;
        }
        Self { sources, bench, views: None, mutant, _directory: directory }
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &crate::schema::Table> {
        self.sources.iter().flat_map(|source| source.schema.tables())
    }

    /// Creates the views, and waits until none of them is on its way any more.
    pub(super) async fn create(&mut self, views: &[script::View]) {
        let files = views.iter().map(|view| (format!("{}.sql", view.name), view.create()));
        let (views, follower) =
            Views::open(self.bench.gateway.clone(), ViewFiles::parse(files)).await.unwrap();
        let follower = tokio::spawn(follower.fail());
        self.views = Some((views, follower));
        self.settle().await;
    }

    /// Waits until no view is on its way any more.
    async fn settle(&self) {
        let Some((views, _)) = &self.views else { return };
        views.settled().await;
        let deadline = Instant::now() + Duration::from_secs(60);
        while views.list().iter().any(|view| !matches!(view.state, ViewState::Ready | ViewState::Failed)) {
            assert!(Instant::now() < deadline, "the views are not filled: {:?}", views.list());
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// A view that could not follow or be filled, and not because of a value.
    pub(super) async fn defect(&self) -> Option<(String, String)> {
        self.settle().await;
        let failures = self.bench.gateway.failures().into_iter();
        let mut failures = failures.map(|(view, refused)| (view, refused.reason));
        failures.find(|(_, reason)| !OF_VALUES.iter().any(|value| reason.contains(value)))
    }

    /// Applies a batch as one transaction and tells its images, each with its entity.
    pub(super) async fn apply(&mut self, batch: &Batch) -> Vec<(Arc<Entity>, Image)> {
        let (mut steps, mut images) = (Vec::new(), Vec::new());
        for source in &mut self.sources {
            let after = source.position();
            let taken = source.take(batch);
            let mutated = |image: &Image| self.mutant.is_none_or(|mutant| mutant.delivers(image));
            let frame = || {
                let images = taken.iter().filter(|image| mutated(image)).cloned().collect();
                let (after, through) = (after.clone(), source.position());
                Step::Changes(Changes { after, through, images, commit_time: None })
            };
            let deliver = match batch.delivery {
                Delivery::Once => vec![frame()],
                Delivery::Twice => vec![frame(), frame()],
                Delivery::Snapshot => source.snapshot(),
            };
            steps.extend(deliver.into_iter().map(|step| (source.name.clone(), step)));
            images
                .extend(taken.into_iter().map(|image| (source.schema.entities[image.entity].clone(), image)));
        }
        self.bench
            .take(
                steps
                    .iter_mut()
                    .map(|(source, step)| (source.as_str(), std::mem::replace(step, Step::Rows(Vec::new())))),
            )
            .await;
        if let (Delivery::Snapshot, Some((views, _))) = (batch.delivery, &self.views) {
            views.settled().await;
        }
        for source in self.bench.gateway.sources() {
            assert!(!self.bench.stops[&source.name].is_cancelled(), "{source:?}");
        }
        images
    }

    /// Everything in a view, or why it cannot be read.
    pub(super) async fn ask(&self, view: &str) -> Asked {
        let (views, _) = self.views.as_ref().unwrap();
        self.settle().await;
        let views = views.list();
        let found = views.iter().find(|found| found.name == view).unwrap();
        if found.state != ViewState::Ready {
            return Err(format!("{}: {}", found.state.as_str_name(), found.reason));
        }
        let text = format!("SELECT * FROM {view}");
        let compiled = sql::compile(&text, &self.bench.gateway.catalog(), &[]).unwrap();
        let mut reader = self.bench.gateway.store().read().await.unwrap();
        let rows = match sqlx::query(AssertSqlSafe(compiled.text)).fetch_all(&mut *reader).await {
            Ok(rows) => rows,
            Err(sqlx::Error::Database(error)) => return Err(error.message().to_owned()),
            Err(error) => panic!("{error}"),
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

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some((_, follower)) = &self.views {
            follower.abort();
        }
    }
}

impl Source {
    fn new(name: &str, messages: &str) -> Self {
        let published = publish(messages);
        let schema = Arc::new(Schema::learn(name, &published.described).unwrap());
        Self { name: name.to_owned(), published, schema, head: 0, images: HashMap::new() }
    }

    fn position(&self) -> Position {
        Position {
            service: self.name.clone(),
            epoch: "e1".to_owned(),
            sequence: self.head,
            digest: self.head,
        }
    }

    /// The images of what of a batch is this source's.
    fn take(&mut self, batch: &Batch) -> Vec<Image> {
        let mut taken = Vec::new();
        for change in &batch.changes {
            if self.schema.entity(&change.entity).is_none() {
                continue;
            }
            self.head += 1;
            let make = if change.deleted { Published::delete } else { Published::upsert };
            let change = make(&self.published, self.head, &change.entity, &change.value);
            let image = self.schema.decode(&change).unwrap();
            let key = (image.entity, image.key.clone());
            match &image.rows {
                Some(_) => self.images.insert(key, image.clone()),
                None => self.images.remove(&key),
            };
            taken.push(image);
        }
        taken
    }

    /// All rows as they are now.
    fn snapshot(&self) -> Vec<Step> {
        let (schema, low) = (self.schema.clone(), self.position());
        let described = self.published.described.encode_to_vec();
        let rows = self.images.values().cloned().collect();
        vec![
            Step::Begin(Begin { schema, described, low, accepted: false }),
            Step::Rows(rows),
            Step::End { high: self.position() },
        ]
    }
}
