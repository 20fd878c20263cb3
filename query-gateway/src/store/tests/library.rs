//! A library with a history, a gateway that applies it, and the tables that this must give.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use futures::FutureExt as _;
use opentelemetry::global;
use prost::Message as _;
use rand::{Rng as _, rngs::StdRng};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use tributary_proto::feed::v1::{Change, Position};

use crate::{
    catalog::Catalog,
    database::Dialect,
    error::StoreError,
    gateway::{Applied, Gateway},
    schema::{
        Image, Schema,
        fixture::{LIBRARY, Published, publish},
    },
    source::SourceStatus,
    store::{Begin, Changes, Step, Store, Writer, load, queue},
};

/// Everything that ever happened, and how it stands after each change.
pub(super) struct Library {
    service: &'static str,
    pub(super) published: Published,
    pub(super) schema: Arc<Schema>,
    pub(super) changes: Vec<Change>,
    states: Vec<State>,
}

/// Entity and key to its JSON form and the sequence of its last change.
pub(super) type State = BTreeMap<(&'static str, String), (Json, u64)>;

/// Rows per table, each as JSON with the sequence of its writer at the end.
pub(super) type Tables = BTreeMap<String, Vec<Json>>;

impl Library {
    pub(super) fn new() -> Self {
        Self::publishing("library", LIBRARY)
    }

    /// Another service, whose tables begin with `archive_`.
    pub(super) fn archive() -> Self {
        Self::publishing("archive", &LIBRARY.replace("table: \"", "table: \"archive_"))
    }

    fn publishing(service: &'static str, messages: &str) -> Self {
        let published = publish(messages);
        let schema = Arc::new(Schema::learn(service, &published.described).unwrap());
        Self { service, published, schema, changes: Vec::new(), states: vec![State::new()] }
    }

    /// A table, or the entity of the same name.
    fn name(&self, table: &str) -> String {
        if self.service == "library" { table.to_owned() } else { format!("{}_{table}", self.service) }
    }

    /// `count` more changes of few keys, so that many meet again.
    pub(super) fn live(&mut self, random: &mut StdRng, count: usize) {
        for _ in 0..count {
            let sequence = self.changes.len() as u64 + 1;
            let number = random.random_range(0..12);
            let (entity, key, json) = if random.random() {
                let copies: Vec<_> =
                    (0..random.random_range(0..4)).map(|n| json!({"shelf": "s", "number": n})).collect();
                let json =
                    json!({"isbn": format!("i{number}"), "title": format!("t{sequence}"), "copies": copies});
                ("books", format!("i{number}"), json)
            } else {
                let json = json!({"branch": format!("b{}", number % 2), "number": number, "isbn": format!("{sequence}")});
                ("loans", format!("b{}-{number}", number % 2), json)
            };
            let mut state = self.state(self.changes.len() as u64).clone();
            let change = if random.random_range(0..3) == 0 {
                state.remove(&(entity, key));
                self.published.delete(sequence, &self.name(entity), &json)
            } else {
                state.insert((entity, key), (json.clone(), sequence));
                self.published.upsert(sequence, &self.name(entity), &json)
            };
            self.changes.push(change);
            self.states.push(state);
        }
    }

    pub(super) fn head(&self) -> u64 {
        self.changes.len() as u64
    }

    pub(super) fn state(&self, sequence: u64) -> &State {
        &self.states[sequence as usize]
    }

    pub(super) fn position(&self, sequence: u64) -> Position {
        self.at("e1", sequence)
    }

    pub(super) fn at(&self, epoch: &str, sequence: u64) -> Position {
        let (service, epoch) = (self.service.to_owned(), epoch.to_owned());
        Position { service, epoch, sequence, digest: sequence * 3 }
    }

    pub(super) fn image(&self, change: &Change) -> Image {
        self.schema.decode(change).unwrap()
    }

    /// The changes behind `after` through `through`.
    pub(super) fn frame(&self, after: u64, through: u64) -> Step {
        let changes = &self.changes[after as usize..through as usize];
        let images = changes.iter().map(|change| self.image(change)).collect();
        let (after, through) = (self.position(after), self.position(through));
        Step::Changes(Changes { after, through, images, commands: Vec::new(), commit_time: None })
    }

    pub(super) fn begin(&self, low: u64) -> Step {
        let described = self.published.described.encode_to_vec();
        let (schema, low) = (self.schema.clone(), self.position(low));
        Step::Begin(Begin { schema, described, low, accepted: false })
    }

    /// A row as a snapshot has it: without event and trace.
    pub(super) fn row(&self, entity: &str, (json, sequence): &(Json, u64)) -> Image {
        let change = self.published.upsert(*sequence, &self.name(entity), json);
        self.image(&Change { event: String::new(), traceparent: String::new(), ..change })
    }

    /// A snapshot of the state at `sequence`, that nothing disturbed.
    pub(super) fn snapshot(&self, sequence: u64) -> Vec<Step> {
        let rows = self.state(sequence).iter().map(|((entity, _), row)| self.row(entity, row)).collect();
        vec![self.begin(sequence), Step::Rows(rows), Step::End { high: self.position(sequence) }]
    }

    /// What the tables must be at `sequence`.
    pub(super) fn tables(&self, sequence: u64) -> Tables {
        let mut tables: Tables =
            ["books", "books_copies", "loans"].map(|name| (self.name(name), Vec::new())).into();
        let mut put = |table: &str, row: Json| tables.get_mut(&self.name(table)).unwrap().push(row);
        for ((entity, _), (json, sequence)) in self.state(sequence) {
            if *entity == "loans" {
                put("loans", json!([json["branch"], json["number"], json["isbn"], null, sequence]));
                continue;
            }
            put("books", json!([json["isbn"], json["title"], sequence]));
            for (n, copy) in (1..).zip(json["copies"].as_array().unwrap()) {
                put("books_copies", json!([json["isbn"], n, copy["shelf"], copy["number"], sequence]));
            }
        }
        sorted(tables)
    }
}

fn sorted(mut tables: Tables) -> Tables {
    tables.values_mut().for_each(|rows| rows.sort_by_key(ToString::to_string));
    tables
}

/// A gateway without network: sources are what a test hands to the writer.
pub(crate) struct Bench {
    pub(crate) gateway: Gateway,
    pub(crate) stops: BTreeMap<String, CancellationToken>,
    writer: Writer,
}

impl Bench {
    pub(crate) async fn open(directory: &Path, sources: &[&str]) -> Self {
        Self::on(Store::open(directory).await.unwrap(), sources).await
    }

    pub(crate) async fn on(store: Store, sources: &[&str]) -> Self {
        let names = sources.iter().map(|name| (*name).to_owned()).collect();
        let (filled, commit) = load(&store, &names).await.unwrap();
        let relations = filled.values().flat_map(|filled| filled.schema.relations());
        let catalog = Catalog::of(store.dialect()).with(|_| false, relations);
        let statuses = sources.iter().map(|name| SourceStatus::new(name, "http://nowhere")).collect();
        let applied = Applied { commit, ..Applied::default() };
        let gateway = Gateway::new(store, catalog, applied, statuses);
        let stops: BTreeMap<_, _> = names.into_iter().map(|name| (name, CancellationToken::new())).collect();
        let writer = Writer::new(gateway.clone(), filled, stops.clone(), 5_000);
        Self { gateway, stops, writer }
    }

    /// Hands over steps, and waits until they are taken.
    pub(crate) async fn take(&mut self, steps: impl IntoIterator<Item = (&str, Step)>) {
        self.try_take(steps).await.unwrap();
    }

    /// The same of one that may be kept from writing.
    pub(super) async fn try_take(
        &mut self,
        steps: impl IntoIterator<Item = (&str, Step)>,
    ) -> Result<(), StoreError> {
        let (work, received) = queue(8 << 20, &global::meter("test"));
        for (source, step) in steps {
            work.send(source, step, 0).now_or_never().unwrap().unwrap();
        }
        drop(work);
        self.writer.run(received).await
    }

    /// The position and the tables of a source in one state.
    pub(super) async fn tables(&self, source: &str) -> (u64, Tables) {
        let mut connection = self.gateway.store().write().await;
        let position = connection.query("SELECT sequence FROM _sources WHERE source = $1").bind(source);
        let position: Option<i64> = position.optional().await.unwrap();
        let names = connection.query("SELECT name, rows FROM _tables WHERE source = $1").bind(source);
        let names: Vec<(String, i64)> = names.all().await.unwrap();
        let mut tables = Tables::new();
        for (name, count) in names {
            let relation = self.gateway.catalog().get(&name).unwrap().clone();
            let columns: Vec<_> =
                relation.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
            let columns = columns.join(", ");
            let text = match connection.dialect() {
                Dialect::Sqlite => format!("SELECT json_array({columns}, _sequence) FROM \"{name}\""),
                Dialect::Postgres => {
                    format!("SELECT jsonb_build_array({columns}, _sequence)::text FROM \"{name}\"")
                }
            };
            let rows: Vec<String> = connection.composed(text).all().await.unwrap();
            assert_eq!(rows.len() as i64, count, "the row count of {name}");
            tables.insert(name, rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect());
        }
        (position.unwrap_or_default().cast_unsigned(), sorted(tables))
    }

    pub(super) fn status(&self, source: &str) -> SourceStatus {
        self.gateway.sources().into_iter().find(|status| status.name == source).unwrap()
    }

    pub(super) fn commit(&self) -> u64 {
        self.gateway.applied().borrow().commit
    }
}

/// What a crash right now would leave: the files as they are.
pub(crate) fn crash(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in ["query.db", "query.db-wal"] {
        std::fs::copy(from.join(file), to.path().join(file)).unwrap();
    }
    to
}
