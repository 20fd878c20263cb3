//! Several gateways on one database, with a source behind a real feed.

use std::{
    sync::Arc,
    time::{Duration, Instant as Clock},
};

use clap::Parser as _;
use serde_json::json;
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use test_prerequisites::postgres;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tributary_chassis::{
    StartError,
    fault::{Fault, Reason},
    position::AFTER,
};

use super::{Member, Role};
use crate::{
    catalog::Catalog,
    config::Config,
    database::Connection,
    gateway::Gateway,
    query::{Asker, Caps, Freshness, Part, Queries, Statement, cell::Cell},
    schema::fixture::LIBRARY,
    source::{SourceState, SourceStatus, tests::feed::Service},
    sql,
    store::Store,
    view::{ViewFiles, ViewState, Views},
};

/// Anything takes less; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many copies of books stand where.
const SHELVES: &str = "CREATE MATERIALIZED VIEW shelves AS
    SELECT shelf, count(*) AS copies FROM books_copies GROUP BY shelf";

struct Running {
    gateway: Gateway,
    views: Views,
    queries: Queries,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), StartError>>,
}

impl Running {
    async fn start(url: &str, arguments: &[&str]) -> Self {
        let config = Config::parse_from(["query-gateway"].iter().chain(arguments));
        let gateway = Gateway::of(Store::connect(&url.parse().unwrap()).await.unwrap());
        let (views, shutdown) = (Views::new(gateway.clone()), CancellationToken::new());
        let files = ViewFiles::default();
        let member = Member { gateway: gateway.clone(), views: views.clone(), config, files };
        let task = tokio::spawn(member.run(shutdown.clone()));
        let queries = Queries::new(gateway.clone(), Caps::default());
        let running = Self { gateway, views, queries, shutdown, task };
        running.role(|role| role != Role::Opening).await;
        running
    }

    fn is(&self) -> Role {
        *self.gateway.roles().borrow()
    }

    async fn role(&self, wanted: impl Fn(Role) -> bool) {
        let mut roles = self.gateway.roles();
        let reached = roles.wait_for(|role| wanted(*role));
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("it is {:?}", self.is())).unwrap();
    }

    /// Waits until its source is told to be like that.
    async fn source(&self, wanted: impl Fn(&SourceStatus) -> bool) -> SourceStatus {
        let mut changes = self.gateway.source_changes();
        let reached = changes.wait_for(|sources| sources.get("library").is_some_and(&wanted));
        let reached = timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("{:?}", self.gateway.sources())).unwrap()["library"].clone()
    }

    /// The rows of a query whose answer contains all changes through that position.
    async fn ask(&self, after: u64, sql: &str) -> Result<Vec<Vec<Cell>>, Fault> {
        let mut metadata = MetadataMap::new();
        metadata.insert(AFTER, format!("library/e1/{after}").parse().unwrap());
        self.queries.reach(&Freshness::of(&metadata)?).await?;
        loop {
            let catalog = self.gateway.catalog();
            if let Some(rows) = self.ask_by(catalog, sql).await? {
                return Ok(rows);
            }
        }
    }

    /// The rows of a query that is compiled against these relations; none if they are not those of the store.
    async fn ask_by(&self, catalog: Arc<Catalog>, sql: &str) -> Result<Option<Vec<Vec<Cell>>>, Fault> {
        let compiled = sql::compile(sql, &catalog, &[]);
        let compiled = Arc::new(compiled.map_err(|error| Fault::field("sql", error.to_string()))?);
        let statement = Statement { compiled, catalog, arguments: Vec::new(), max_rows: 10_000 };
        let Some(mut answer) = self.queries.start(Asker::AdHoc, statement).await? else { return Ok(None) };
        let mut rows = Vec::new();
        while let Some(Part::Rows(more)) = answer.next().await.transpose()? {
            rows.extend(more);
        }
        Ok(Some(rows))
    }

    /// Waits until a view can be read here.
    async fn ready(&self, view: &str) {
        let begun = Clock::now();
        let is_there = |view: &str| {
            let listed = self.views.list();
            let ready = listed.iter().any(|known| known.name == view && known.state == ViewState::Ready);
            ready && self.gateway.catalog().get(view).is_some()
        };
        while !is_there(view) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.views.list());
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn create(&self, sql: &str, replace: bool) -> Result<(), Fault> {
        self.views.create(sql, replace, &|_| Vec::new()).await.map(drop)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// One that applies and one that stands by, with their source.
async fn pair(test: &str) -> Option<(String, Service, Running, Running)> {
    let url = postgres::database(test).await?;
    let service = Service::open(LIBRARY, "e1").await;
    let first = Running::start(&url, &[&service.source()]).await;
    assert_eq!(first.is(), Role::Applying);
    let second = Running::start(&url, &[&service.source()]).await;
    assert_eq!(second.is(), Role::Standby);
    Some((url, service, first, second))
}

async fn observer(url: &str) -> Connection {
    let options: PgConnectOptions = url.parse().unwrap();
    Connection::postgres(options.connect().await.unwrap())
}

/// Ends the session that leads, as a server does that is stopped.
async fn end_leader(observer: &mut Connection) {
    let ended =
        "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
        AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS e";
    assert_eq!(observer.query(ended).one::<i64>().await.unwrap(), 1);
}

fn write(service: &Service, n: u64) -> u64 {
    let copies: Vec<_> = (0..=n % 3).map(|copy| json!({"shelf": format!("s{}", (n + copy) % 4)})).collect();
    service.write("books", &[json!({"isbn": format!("i{n:04}"), "title": format!("t{n}"), "copies": copies})])
}

const COPIES: &str = "SELECT shelf, copies FROM shelves ORDER BY shelf";
const COUNTED: &str = "SELECT shelf, count(*) AS copies FROM books_copies GROUP BY shelf ORDER BY shelf";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_applies_and_another_answers_from_what_it_applies() {
    let test = "one_applies_and_another_answers_from_what_it_applies";
    let Some((_, service, first, second)) = pair(test).await else { return };
    let mut head = (0..20).fold(0, |_, n| write(&service, n));
    for gateway in [&first, &second] {
        let titles = gateway.ask(head, "SELECT title FROM books ORDER BY isbn").await.unwrap();
        assert_eq!(titles.len(), 20);
        assert_eq!(titles[19], [Cell::Text("t19".to_owned())]);
    }
    // Views are kept by one, and refused by the other with what to do.
    let refused = second.create(SHELVES, false).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Unavailable);
    assert!(refused.message().contains("another one applies"), "{}", refused.message());
    first.create(SHELVES, false).await.unwrap();
    first.ready("shelves").await;
    second.ready("shelves").await;
    head = (20..30).fold(head, |_, n| write(&service, n));
    for gateway in [&first, &second] {
        let copies = gateway.ask(head, COPIES).await.unwrap();
        assert_eq!(copies, gateway.ask(head, COUNTED).await.unwrap());
        assert_eq!(copies.len(), 4);
    }
    // How the source is doing is told, and its lag with it.
    let status = second.source(|status| status.state == SourceState::Live && status.applied == head).await;
    assert_eq!((&*status.service, status.lag(head)), ("library", Some(0)));
    second.source(|status| status.lag_ms(head, None).is_some()).await;
    service.close().await;
    let status = second.source(|status| status.state == SourceState::Disconnected).await;
    assert!(status.reason.contains("tried again by itself"), "{}", status.reason);
    second.stop().await;
    first.stop().await;
}

/// Sessions are lost one after another while changes come; whoever applies, nothing is lost and nothing doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_its_session_is_followed_by_one_that_has_all() {
    let test = "whoever_loses_its_session_is_followed_by_one_that_has_all";
    let Some((url, service, first, second)) = pair(test).await else { return };
    let mut observer = observer(&url).await;
    let mut written = write(&service, 0);
    first.ask(written, "SELECT title FROM books").await.unwrap();
    first.create(SHELVES, false).await.unwrap();
    second.ready("shelves").await;
    for round in 1..=6 {
        for n in 0..5 {
            written = write(&service, round * 5 + n);
        }
        end_leader(&mut observer).await;
        for n in 0..5 {
            written = write(&service, round * 5 + n);
        }
        for gateway in [&first, &second] {
            let copies = gateway.ask(written, COPIES).await.unwrap();
            assert_eq!(copies, gateway.ask(written, COUNTED).await.unwrap());
        }
    }
    let sequence = "SELECT sequence FROM _sources";
    assert_eq!(observer.query(sequence).one::<i64>().await.unwrap().cast_unsigned(), written);
    let books = first.ask(written, "SELECT isbn FROM books").await.unwrap();
    assert_eq!(books.len(), 31);
    let roles = [first.is(), second.is()];
    assert_eq!(roles.iter().filter(|role| **role == Role::Applying).count(), 1, "{roles:?}");
    let generation = "SELECT generation FROM _gateway";
    assert_eq!(observer.query(generation).one::<i64>().await.unwrap(), 7);
    second.stop().await;
    first.stop().await;
}

/// As of a process that stands still: its session says nothing any more, and nobody ends it but the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_nothing_is_followed_within_seconds() {
    let test = "whoever_says_nothing_is_followed_within_seconds";
    let Some((_, service, first, second)) = pair(test).await else { return };
    let written = write(&service, 0);
    second.ask(written, "SELECT title FROM books").await.unwrap();
    let begun = Clock::now();
    first.task.abort();
    let written = write(&service, 1);
    second.role(|role| role == Role::Applying).await;
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    let rows = second.ask(written, "SELECT title FROM books").await.unwrap();
    assert_eq!(rows.len(), 2);
    second.source(|status| status.state == SourceState::Live).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_nobody_applies_is_said_and_what_is_there_answered() {
    let test = "that_nobody_applies_is_said_and_what_is_there_answered";
    let Some((url, service, first, second)) = pair(test).await else { return };
    let written = write(&service, 0);
    second.ask(written, "SELECT title FROM books").await.unwrap();
    first.stop().await;
    second.role(|role| role == Role::Applying).await;
    second.stop().await;
    // Somebody has the lead who tells nothing.
    let mut silent = observer(&url).await;
    let lead = Store::connect(&url.parse().unwrap()).await.unwrap();
    while !lead.lead().await.unwrap() {
        sleep(Duration::from_millis(5)).await;
    }
    lead.write().await.script("SET idle_session_timeout = 0").await.unwrap();
    silent.script("DELETE FROM _published").await.unwrap();
    let third = Running::start(&url, &[&service.source()]).await;
    assert_eq!(third.is(), Role::Standby);
    let status = third.source(|_| true).await;
    assert_eq!((status.state, status.applied), (SourceState::Disconnected, written));
    assert!(status.reason.contains("no gateway applies"), "{}", status.reason);
    assert_eq!(status.lag(written), None);
    assert_eq!(third.ask(written, "SELECT title FROM books").await.unwrap().len(), 1);
    third.stop().await;
}

/// A change of views waits for the answers that are under way, and those behind it find the new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_of_one_layout_wherever_it_is_given() {
    let test = "an_answer_is_of_one_layout_wherever_it_is_given";
    let Some((url, service, first, second)) = pair(test).await else { return };
    let mut observer = observer(&url).await;
    let written = write(&service, 0);
    second.ask(written, "SELECT title FROM books").await.unwrap();
    first.create("CREATE VIEW titles AS SELECT title AS name FROM books", false).await.unwrap();
    second.ready("titles").await;
    let before = second.gateway.catalog();
    let names = "SELECT name FROM titles";
    assert!(second.ask_by(before.clone(), names).await.unwrap().is_some());

    let mut reader = second.gateway.store().read().await.unwrap();
    let mut snapshot = reader.snapshot_of_layout().await.unwrap();
    let replaced = "CREATE VIEW titles AS SELECT isbn AS number FROM books";
    let (views, replaced) = (first.views.clone(), replaced.to_owned());
    let replacing =
        tokio::spawn(async move { views.create(&replaced, true, &|_| Vec::new()).await.map(drop) });
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '_layout'::regclass";
    while observer.query(waits).one::<i64>().await.unwrap() == 0 {
        assert!(!replacing.is_finished(), "it waits for nobody");
        sleep(Duration::from_millis(5)).await;
    }
    // The snapshot is taken after the change has begun, and finds what was there before.
    let name: String = snapshot.query("SELECT name FROM titles").one().await.unwrap();
    assert_eq!(name, "t0");
    snapshot.rollback().await.unwrap();
    replacing.await.unwrap().unwrap();

    // What was compiled before is not run; who compiles again finds the new one.
    assert!(second.ask_by(before, names).await.unwrap().is_none());
    assert_ne!(second.gateway.catalog().get("titles").unwrap().column("number"), None);
    assert_eq!(second.ask(written, "SELECT number FROM titles").await.unwrap().len(), 1);
    second.stop().await;
    first.stop().await;
}
