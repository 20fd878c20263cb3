//! A source whose schema can change, the gateway that follows it, and its views.

use std::{collections::BTreeMap, convert::Infallible, path::Path, sync::Arc, time::Duration};

use prost::Message as _;
use serde_json::{Value as Json, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tributary_proto::feed::v1::Position;

use crate::{
    database::{Connection, Dialect, Row, Value},
    error::StoreError,
    schema::{
        Image, Schema,
        fixture::{Published, publish},
    },
    sql,
    store::{
        Begin, Changes, Step,
        tests::{library::Bench, place::Place},
    },
    view::{Follower, View, ViewFiles, ViewState, Views},
};

/// What the source publishes at first.
pub(super) const BOOKS: &str = r#"
    message Book {
      option (tributary.options.v1.entity) = {table: "books"};
      int64 id = 1 [(tributary.options.v1.field).key = true];
      string shelf = 2;
      int64 pages = 3;
    }
    message Loan {
      option (tributary.options.v1.entity) = {table: "loans"};
      int64 id = 1 [(tributary.options.v1.field).key = true];
      int64 book = 2;
      int64 days = 3;
    }
"#;

/// A table, view or index of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) name: String,
    /// Of an index, that which it is on.
    pub(super) table: String,
    /// What made it; empty where the store does not remember that.
    pub(super) text: String,
    /// Another one once it was made anew, in PostgreSQL.
    pub(super) id: i64,
}

const IN_SQLITE: &str = "SELECT type, name, tbl_name, coalesce(sql, ''), 0 FROM sqlite_schema ORDER BY name";
const IN_POSTGRES: &str =
    "SELECT CASE c.relkind WHEN 'i' THEN 'index' WHEN 'v' THEN 'view' ELSE 'table' END, c.relname::text,
    coalesce(t.relname, '')::text, coalesce(obj_description(c.oid, 'pg_class'), ''), c.oid::bigint
    FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
    WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname";

pub(super) struct Shelf {
    pub(super) bench: Bench,
    pub(super) views: Views,
    follower: JoinHandle<Result<Infallible, StoreError>>,
    published: Published,
    schema: Arc<Schema>,
    head: u64,
    rows: BTreeMap<(&'static str, i64), Json>,
}

impl Shelf {
    /// With no rows.
    pub(super) async fn open(place: &Place, files: &[(&str, &str)]) -> Self {
        let mut shelf = Self::reopen(place, files, BOOKS).await;
        shelf.snapshot().await;
        shelf
    }

    /// With what a store has.
    pub(super) async fn reopen(place: &Place, files: &[(&str, &str)], messages: &str) -> Self {
        let bench = place.bench(&["library"]).await;
        let files = ViewFiles::parse(files.iter().map(|(file, text)| ((*file).into(), (*text).into())));
        let (views, follower) = Views::open(bench.gateway.clone(), files).await.unwrap();
        let follower = tokio::spawn(follower.run());
        let (published, schema) = learned(messages);
        Self { bench, views, follower, published, schema, head: 0, rows: BTreeMap::new() }
    }

    /// The same with files that are watched.
    pub(super) async fn watching(place: &Place, files: &Path) -> Self {
        let mut shelf = Self::open(place, &[]).await;
        let follower = shelf.put_files(ViewFiles::load(Some(files)).unwrap()).await;
        shelf.follower = tokio::spawn(follower.watching(Some(files.to_owned())).run());
        shelf
    }

    /// Other files from now on, followed by whom they are given to.
    pub(super) async fn put_files(&mut self, files: ViewFiles) -> Follower {
        self.follower.abort();
        let (views, follower) = Views::open(self.bench.gateway.clone(), files).await.unwrap();
        self.views = views;
        follower
    }

    /// From now on the source publishes other messages; rows go on as they are.
    pub(super) fn publishes(&mut self, messages: &str) {
        (self.published, self.schema) = learned(messages);
    }

    pub(super) fn position(&self) -> Position {
        let (service, epoch) = ("library".to_owned(), "e1".to_owned());
        Position { service, epoch, sequence: self.head, digest: self.head }
    }

    fn image(&mut self, entity: &'static str, row: &Json) -> Image {
        self.head += 1;
        self.rows.insert((entity, row["id"].as_i64().unwrap()), row.clone());
        self.schema.decode(&self.published.upsert(self.head, entity, row)).unwrap()
    }

    /// Changes rows of an entity, in one transaction.
    pub(super) async fn put(&mut self, entity: &'static str, rows: impl IntoIterator<Item = Json>) {
        let after = self.position();
        let images = rows.into_iter().map(|row| self.image(entity, &row)).collect();
        self.apply(after, images).await;
    }

    /// Books of some pages each, numbered from `first`, on ten shelves.
    pub(super) async fn books(&mut self, first: i64, pages: impl IntoIterator<Item = i64>) {
        let row =
            |(id, pages): (i64, i64)| json!({"id": id, "shelf": format!("s{}", id % 10), "pages": pages});
        let rows: Vec<Json> = (first..).zip(pages).map(row).collect();
        self.put("books", rows).await;
    }

    /// A row changes, and only a snapshot will tell.
    pub(super) fn take_unseen(&mut self, entity: &'static str, row: Json) {
        self.rows.insert((entity, row["id"].as_i64().unwrap()), row);
    }

    /// A row goes, and only a snapshot will tell.
    pub(super) fn forget_unseen(&mut self, entity: &'static str, id: i64) {
        self.rows.remove(&(entity, id));
    }

    /// The rows of an entity that is published no more.
    pub(super) fn forget_all(&mut self, entity: &str) {
        self.rows.retain(|(other, _), _| *other != entity);
    }

    pub(super) async fn remove(&mut self, entity: &'static str, id: i64) {
        let after = self.position();
        self.head += 1;
        self.rows.remove(&(entity, id));
        let change = self.published.delete(self.head, entity, &json!({"id": id}));
        let image = self.schema.decode(&change).unwrap();
        self.apply(after, vec![image]).await;
    }

    async fn apply(&mut self, after: Position, images: Vec<Image>) {
        let changes =
            Changes { after, through: self.position(), images, commands: Vec::new(), commit_time: None };
        self.bench.take([("library", Step::Changes(changes))]).await;
        assert!(!self.bench.stops["library"].is_cancelled(), "{:?}", self.bench.gateway.sources());
    }

    /// Everything as it is now comes in a snapshot.
    pub(super) async fn snapshot(&mut self) {
        let rows = self.rows.clone();
        let rows = rows.iter().map(|((entity, _), row)| self.image(entity, row)).collect();
        let begin = Begin {
            schema: self.schema.clone(),
            described: self.published.described.encode_to_vec(),
            low: self.position(),
            accepted: false,
        };
        let steps = [Step::Begin(begin), Step::Rows(rows), Step::End { high: self.position() }];
        self.bench.take(steps.map(|step| ("library", step))).await;
        assert!(!self.bench.stops["library"].is_cancelled(), "{:?}", self.bench.gateway.sources());
        self.views.settled().await;
    }

    pub(super) fn view(&self, name: &str) -> View {
        let views = self.views.list();
        views.iter().find(|view| view.name == name).unwrap_or_else(|| panic!("{name} of {views:?}")).clone()
    }

    /// Waits until a view is in some state.
    pub(super) async fn until(&self, name: &str, state: ViewState) -> View {
        self.wait(|shelf| {
            let view = shelf.views.list().iter().find(|view| view.name == name).cloned();
            view.filter(|view| view.state == state)
        })
        .await
    }

    /// Waits until there is something.
    pub(super) async fn wait<T>(&self, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "{:?}", self.views.list());
            assert!(!self.follower.is_finished(), "nobody follows any more");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Answers of queries, all in one snapshot, as sorted rows of texts.
    async fn answers<const N: usize>(&self, sql: [&str; N]) -> [Vec<String>; N] {
        let catalog = self.bench.gateway.catalog();
        let mut reader = self.bench.gateway.store().read().await.unwrap();
        let mut snapshot = reader.snapshot().await.unwrap();
        let mut answers = [const { Vec::new() }; N];
        for (sql, answer) in sql.iter().zip(&mut answers) {
            let compiled = sql::compile(sql, &catalog, &[]).unwrap_or_else(|error| panic!("{sql}: {error}"));
            *answer = rows(&mut snapshot, &compiled.text, compiled.columns.len()).await;
        }
        answers
    }

    pub(super) async fn ask(&self, sql: &str) -> Vec<String> {
        let [answer] = self.answers([sql]).await;
        answer
    }

    /// What the store says of a query that it cannot answer.
    pub(super) async fn refusal(&self, sql: &str) -> String {
        let compiled = sql::compile(sql, &self.bench.gateway.catalog(), &[]).unwrap();
        let mut reader = self.bench.gateway.store().read().await.unwrap();
        let refused = reader.composed(compiled.text).all::<Row>().await.map(drop).unwrap_err();
        refused.message().expect("it was asked").to_owned()
    }

    /// Whether a view holds what `select` says, computed from scratch; gives the number of its rows.
    pub(super) async fn exact(&self, name: &str, select: &str) -> usize {
        let all = format!("SELECT * FROM {name}");
        let [kept, computed] = self.answers([&all, select]).await;
        assert_eq!(kept, computed, "{name}");
        kept.len()
    }

    /// What the store has, in order of name.
    pub(super) async fn objects(&self) -> Vec<Object> {
        let mut writing = self.bench.gateway.store().write().await;
        let text = if writing.dialect() == Dialect::Sqlite { IN_SQLITE } else { IN_POSTGRES };
        let rows: Vec<(String, String, String, String, i64)> = writing.query(text).all().await.unwrap();
        let object = |(kind, name, table, text, id)| Object { kind, name, table, text, id };
        rows.into_iter().map(object).collect()
    }

    /// Their names.
    pub(super) async fn names(&self) -> Vec<String> {
        self.objects().await.into_iter().map(|object| object.name).collect()
    }

    /// One column of the writer's own connection.
    pub(super) async fn inside(&self, sql: &'static str) -> Vec<String> {
        let mut writing = self.bench.gateway.store().write().await;
        writing.query(sql).all().await.unwrap()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

fn learned(messages: &str) -> (Published, Arc<Schema>) {
    let published = publish(messages);
    let schema = Arc::new(Schema::learn("library", &published.described).unwrap());
    (published, schema)
}

async fn rows(snapshot: &mut Connection, text: &str, width: usize) -> Vec<String> {
    let found: Result<Vec<Row>, _> = snapshot.composed(text).all().await;
    let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
    let cell = |row: &Row, at: usize| match row.value(at).unwrap() {
        Value::Null => "NULL".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) | Value::Timestamptz(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Bytes(bytes) => format!("{bytes:?}"),
        Value::Text(text)
        | Value::Numeric(text)
        | Value::Interval(text)
        | Value::Jsonb(text)
        | Value::Other(text) => text,
    };
    let mut rows: Vec<String> =
        found.iter().map(|row| (0..width).map(|at| cell(row, at)).collect::<Vec<_>>().join("|")).collect();
    rows.sort();
    rows
}
