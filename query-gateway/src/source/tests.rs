//! Sources behind a real feed, over the network: what a gateway makes of them.

pub(crate) mod feed;

use std::time::Duration;

use clap::Parser as _;
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use self::feed::Service;
use super::{SourceState, SourceStatus, Sources};
use crate::store::tests::place::{Engine, Place, in_each_store};
use crate::{config::Config, error::StoreError, gateway::Gateway, schema::fixture::LIBRARY};

in_each_store! {
    a_source_is_filled_followed_and_resumed,
    a_source_that_was_never_reached_makes_answers_incomplete,
    what_cannot_be_decoded_stops_the_source_behind_what_can,
    another_history_is_taken_by_a_snapshot_and_said_until_then,
    another_service_stops_the_source_until_it_is_accepted,
    a_schema_that_grew_is_taken_over_with_its_values,
}

/// Anything takes milliseconds; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    gateway: Gateway,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), StoreError>>,
}

impl Running {
    async fn start(place: &Place, arguments: &[&str]) -> Self {
        let config = Config::parse_from(["query-gateway"].iter().chain(arguments));
        let store = place.store().await;
        let sources = Sources::open(store, &config).await.unwrap();
        let (gateway, shutdown) = (sources.gateway().clone(), CancellationToken::new());
        let task = tokio::spawn(sources.run(shutdown.clone()));
        Self { gateway, shutdown, task }
    }

    fn status(&self) -> SourceStatus {
        self.gateway.sources().remove(0)
    }

    /// Waits until everything through `sequence` is applied.
    async fn reach(&self, sequence: u64) {
        let mut applied = self.gateway.applied();
        let reached = applied.wait_for(|applied| {
            applied.positions.get("library").is_some_and(|position| position.sequence >= sequence)
        });
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{:?}", self.status())).unwrap();
    }

    /// Waits until the source is in `state`.
    async fn state(&self, state: SourceState) -> SourceStatus {
        let mut changes = self.gateway.source_changes();
        let reached = changes.wait_for(|sources| sources["library"].state == state);
        let status = timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{:?}", self.status()));
        status.unwrap()["library"].clone()
    }

    /// Waits until the source is live with everything through `sequence` of a history.
    async fn settled(&self, epoch: &str, sequence: u64) -> SourceStatus {
        let mut changes = self.gateway.source_changes();
        let settled = changes.wait_for(|sources| {
            let status = &sources["library"];
            (&*status.epoch, status.applied, status.state) == (epoch, sequence, SourceState::Live)
        });
        let status = timeout(PATIENCE, settled).await.unwrap_or_else(|_| panic!("{:?}", self.status()));
        status.unwrap()["library"].clone()
    }

    /// Waits until the source has told its clock.
    async fn told(&self) {
        let mut changes = self.gateway.source_changes();
        let told = changes.wait_for(|sources| sources["library"].lag_ms(u64::MAX, None).is_some());
        timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{:?}", self.status())).unwrap();
    }

    async fn titles(&self) -> Vec<String> {
        let mut writer = self.gateway.store().write().await;
        writer.query("SELECT title FROM books ORDER BY isbn").all().await.unwrap()
    }

    async fn as_of(&self) -> String {
        let mut reader = self.gateway.store().read().await.unwrap();
        let mut tx = reader.snapshot().await.unwrap();
        self.gateway.as_of(&mut tx).await.unwrap().to_string()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn book(isbn: &str, title: &str) -> serde_json::Value {
    json!({"isbn": isbn, "title": title, "copies": [{"shelf": "a"}]})
}

async fn a_source_is_filled_followed_and_resumed(engine: Engine) {
    let service = Service::open(LIBRARY, "e1").await;
    service.write("books", &[book("1", "one"), book("2", "two")]);
    let place = engine.place().await;
    let running = Running::start(&place, &[&service.source()]).await;
    running.reach(2).await;
    assert_eq!(running.titles().await, ["one", "two"]);
    let head = service.delete("books", &json!({"isbn": "1"}));
    running.reach(head).await;
    assert_eq!(running.titles().await, ["two"]);
    let status = running.state(SourceState::Live).await;
    assert_eq!((&*status.service, &*status.epoch, status.applied, status.head), ("library", "e1", 3, 3));
    running.told().await;
    let as_of = running.as_of().await;
    assert!(as_of.contains(", library/e1/3;lag=0;lag_ms="), "{as_of}");
    assert!(as_of.ends_with(";state=live;complete=1"), "{as_of}");
    running.stop().await;

    // Without its source the gateway knows everything it knew.
    let source = service.source();
    let address = service.close().await;
    let running = Running::start(&place, &[&source]).await;
    assert_eq!(running.titles().await, ["two"]);
    assert!(running.gateway.catalog().get("books_copies").is_some());
    assert!(running.as_of().await.ends_with("library/e1/3;state=connecting;complete=1"));
    drop(address);
    running.stop().await;
}

async fn a_source_that_was_never_reached_makes_answers_incomplete(engine: Engine) {
    let place = engine.place().await;
    let running = Running::start(&place, &["--source=library=http://127.0.0.1:1"]).await;
    let mut changes = running.gateway.source_changes();
    let told = changes.wait_for(|sources| {
        sources["library"].reason.contains("tried again by itself; ")
            || sources["library"].reason.contains("refused")
    });
    timeout(PATIENCE, told).await.unwrap().unwrap();
    assert_eq!(running.status().state, SourceState::Connecting);
    assert!(running.as_of().await.ends_with("/0, library/-/0;state=connecting;complete=0"));
    running.stop().await;
}

async fn what_cannot_be_decoded_stops_the_source_behind_what_can(engine: Engine) {
    let service = Service::open(LIBRARY, "e1").await;
    let place = engine.place().await;
    let running = Running::start(&place, &[&service.source()]).await;
    running.reach(service.write("books", &[book("1", "one")])).await;
    let bad = service.garbage("books", &[0x0a, 0x01, 0xff]);
    service.write("books", &[book("3", "three")]);
    let status = running.state(SourceState::Stopped).await;
    for part in ["entity `books`", &format!("change {bad} "), "field `isbn`", "key `"] {
        assert!(status.reason.contains(part), "{} lacks {part}", status.reason);
    }
    assert_eq!(running.titles().await, ["one"]);
    let as_of = running.as_of().await;
    assert!(as_of.contains("library/e1/1;lag=") && as_of.ends_with("state=stopped;complete=0"), "{as_of}");
    running.stop().await;

    // Commands in front of it in the same frame are applied, and a restart changes nothing.
    let place = engine.place().await;
    let empty = Service::open(LIBRARY, "e2").await;
    let running = Running::start(&place, &[&empty.source()]).await;
    running.reach(0).await;
    running.stop().await;
    empty.write("books", &[book("1", "one")]);
    empty.write("books", &[book("2", "two")]);
    empty.garbage("books", &[0x0a, 0x01, 0xff]);
    for _ in 0..2 {
        let running = Running::start(&place, &[&empty.source()]).await;
        running.state(SourceState::Stopped).await;
        running.reach(2).await;
        assert_eq!(running.titles().await, ["one", "two"]);
        running.stop().await;
    }
}

/// Of the same service: a store that was restored or wiped. What was there stays until the snapshot is whole, and
/// answers say that it is not what the source has. Also when the gateway starts anew meanwhile.
async fn another_history_is_taken_by_a_snapshot_and_said_until_then(engine: Engine) {
    let place = engine.place().await;
    let mut service = Service::open(LIBRARY, "e1").await;
    let mut running = Running::start(&place, &[&service.source()]).await;
    running.reach(service.write("books", &[book("1", "one"), book("2", "two")])).await;
    // With another epoch, and with the same one: a store that was put back as files. Then one that was wiped.
    for (epoch, titles) in [("e2", &["three"][..]), ("e2", &["four"]), ("e3", &[])] {
        let before = running.titles().await;
        // Nothing is written while somebody else writes.
        let store = running.gateway.store().clone();
        let writer = store.write().await;
        service = service.replace(epoch).await;
        let head = titles.first().map(|title| service.write("books", &[book("1", title)]));
        let status = running.state(SourceState::Snapshot).await;
        assert!(status.reason.contains("history"), "{}", status.reason);
        let as_of = running.as_of().await;
        assert!(as_of.ends_with(";state=snapshot;complete=0"), "{as_of}");
        assert!(!as_of.contains("lag"), "{as_of}");
        drop(writer);
        assert_eq!(running.settled(epoch, head.unwrap_or_default()).await.reason, "");
        assert_ne!(running.titles().await, before);
        assert_eq!(running.titles().await, titles);
        assert!(running.as_of().await.ends_with(";state=live;complete=1"));
        if epoch == "e2" {
            continue;
        }
        // And it goes on from there.
        running.reach(service.write("books", &[book("5", "five")])).await;
        assert_eq!(running.titles().await, ["five"]);
        running.stop().await;
        service = service.replace("e4").await;
        running = Running::start(&place, &[&service.source()]).await;
        running.settled("e4", 0).await;
        assert!(running.titles().await.is_empty());
    }
    running.stop().await;
}

/// An address may be given to somebody else: that is never taken for another history.
async fn another_service_stops_the_source_until_it_is_accepted(engine: Engine) {
    let service = Service::open(LIBRARY, "e1").await;
    let place = engine.place().await;
    let running = Running::start(&place, &[&service.source()]).await;
    running.reach(service.write("books", &[book("1", "one")])).await;
    let service = service.replace_service("archive").await;
    service.write("books", &[book("2", "two")]);
    let status = running.state(SourceState::Stopped).await;
    for part in ["expected the service `library`, found `archive`", "--resnapshot library"] {
        assert!(status.reason.contains(part), "{}", status.reason);
    }
    assert_eq!(running.titles().await, ["one"]);
    assert!(running.as_of().await.ends_with("state=stopped;complete=0"));
    running.stop().await;

    let running = Running::start(&place, &[&service.source(), "--resnapshot=library"]).await;
    running.state(SourceState::Live).await;
    assert_eq!(running.titles().await, ["two"]);
    assert!(running.as_of().await.contains("archive/"));
    running.stop().await;
}

async fn a_schema_that_grew_is_taken_over_with_its_values(engine: Engine) {
    let service = Service::open(LIBRARY, "e1").await;
    let place = engine.place().await;
    let running = Running::start(&place, &[&service.source()]).await;
    running.reach(service.write("books", &[book("1", "one")])).await;
    let mut tables = running.gateway.table_changes();
    tables.mark_unchanged();
    let grown = LIBRARY.replace("string title = 2;", "string title = 2; int64 pages = 9;");
    let service = service.reopen(&grown).await;
    timeout(PATIENCE, tables.changed()).await.unwrap().unwrap();
    let books = running.gateway.catalog().get("books").unwrap().clone();
    assert_eq!(books.column("pages").map(|column| column.nullable), Some(false));
    let head = service.write("books", &[json!({"isbn": "2", "title": "two", "pages": "7"})]);
    running.reach(head).await;
    let mut writer = running.gateway.store().write().await;
    let pages: Vec<i64> = writer.query("SELECT pages FROM books ORDER BY isbn").all().await.unwrap();
    drop(writer);
    assert_eq!(pages, [0, 7]);

    // And what would change the meaning of rows is not.
    let service = service.reopen(&grown.replace("string title = 2;", "")).await;
    let status = running.state(SourceState::Stopped).await;
    assert!(
        status.reason.contains("field `title`") && status.reason.contains("--resnapshot library"),
        "{}",
        status.reason
    );
    assert_eq!(running.titles().await, ["one", "two"]);
    running.stop().await;
    let running = Running::start(&place, &[&service.source(), "--resnapshot=library"]).await;
    running.state(SourceState::Live).await;
    assert!(running.gateway.catalog().get("books").unwrap().column("title").is_none());
    running.stop().await;
}
