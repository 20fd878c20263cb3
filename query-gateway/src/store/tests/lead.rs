//! Of several stores on one database, one writes.

use std::time::Duration;

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use test_prerequisites::postgres;
use tokio::time::{Instant, sleep};
use tributary_chassis::database::Database;

use crate::{
    database::{Connection, Transaction},
    error::StoreError,
    store::{Store, Writing},
};

/// A database, and somebody who looks on.
struct Shared {
    database: Database,
    observer: Connection,
}

impl Shared {
    async fn new(test: &str) -> Option<Self> {
        let url = postgres::database(test).await?;
        let options: PgConnectOptions = url.parse().unwrap();
        let observer = Connection::postgres(options.connect().await.unwrap());
        Some(Self { database: url.parse().unwrap(), observer })
    }

    async fn store(&self) -> Store {
        Store::connect(&self.database).await.unwrap()
    }

    async fn commits(&mut self) -> i64 {
        self.observer.query("SELECT commits FROM _gateway").one().await.unwrap()
    }

    /// Ends the session that leads, as a server does that is stopped.
    async fn end_leader(&mut self) {
        let ended = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS e";
        assert_eq!(self.observer.query(ended).one::<i64>().await.unwrap(), 1);
    }
}

/// Waits until a store leads, and tells how long that took.
async fn leads(store: &Store) -> Duration {
    let began = Instant::now();
    while !store.lead().await.unwrap() {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody gives way");
        sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

async fn commit(store: &Store) -> Result<u64, StoreError> {
    let mut writing = store.write().await;
    let (tx, commit) = writing.connection.begin_commit().await?;
    tx.commit().await.map_err(StoreError::sql("committing"))?;
    Ok(commit)
}

async fn write(store: &Store) -> Result<(), StoreError> {
    let mut writing = store.write().await;
    let tx = writing.connection.begin().await?;
    tx.commit().await.map_err(StoreError::sql("committing"))
}

#[tokio::test]
async fn one_of_several_writes_and_another_when_its_session_is_gone() {
    let test = "one_of_several_writes_and_another_when_its_session_is_gone";
    let Some(mut shared) = Shared::new(test).await else { return };
    let (first, second) = (shared.store().await, shared.store().await);
    assert!(first.lead().await.unwrap());
    assert!(first.lead().await.unwrap(), "it does already");
    assert!(!second.lead().await.unwrap());
    assert!(matches!(commit(&second).await, Err(StoreError::Overtaken)));
    assert!(matches!(write(&second).await, Err(StoreError::Overtaken)));
    assert_eq!(commit(&first).await.unwrap(), 1);
    write(&first).await.unwrap();
    assert!(first.confirm_lead().await.unwrap());

    shared.end_leader().await;
    leads(&second).await;
    for lost in [first.confirm_lead().await.map(drop), commit(&first).await.map(drop), write(&first).await] {
        assert!(lost.as_ref().is_err_and(StoreError::ends_writing), "{lost:?}");
    }
    assert_eq!(commit(&second).await.unwrap(), 2);

    first.reconnect().await.unwrap();
    assert!(!first.lead().await.unwrap());
    assert!(matches!(commit(&first).await, Err(StoreError::Overtaken)));
    assert_eq!(shared.commits().await, 2);
}

/// As a process does that is stopped: it says nothing, and nobody tells it.
#[tokio::test]
async fn who_says_nothing_is_cut_off_within_a_transaction_and_outside_of_one() {
    let test = "who_says_nothing_is_cut_off_within_a_transaction_and_outside_of_one";
    let Some(mut shared) = Shared::new(test).await else { return };
    let (first, second) = (shared.store().await, shared.store().await);
    leads(&first).await;
    let mut writing = first.write().await;
    let (mut tx, _) = writing.connection.begin_commit().await.unwrap();
    let touched = tx.query("UPDATE _gateway SET next_version = 1000").execute().await.unwrap();
    assert_eq!(touched, 1);
    let within = leads(&second).await;
    assert!(tx.commit().await.is_err());
    drop(writing);
    assert_eq!(shared.commits().await, 0);

    assert_eq!(commit(&second).await.unwrap(), 1);
    first.reconnect().await.unwrap();
    let outside = leads(&first).await;
    assert!(commit(&second).await.is_err_and(|error| error.ends_writing()));
    for took in [within, outside] {
        assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }
}

/// Locks of sessions do not hold everywhere: behind a pooler, a session is not who uses it.
#[tokio::test]
async fn an_earlier_generation_writes_nothing_whatever_its_session_may() {
    let test = "an_earlier_generation_writes_nothing_whatever_its_session_may";
    let Some(mut shared) = Shared::new(test).await else { return };
    let (first, second) = (shared.store().await, shared.store().await);
    leads(&first).await;
    second.write().await.connection.succeed().await.unwrap();
    assert!(matches!(commit(&first).await, Err(StoreError::Overtaken)));
    assert!(matches!(write(&first).await, Err(StoreError::Overtaken)));
    assert!(matches!(first.confirm_lead().await, Err(StoreError::Overtaken)));
    assert_eq!(shared.commits().await, 0);
    assert_eq!(commit(&second).await.unwrap(), 1);

    // Nothing else keeps it from that: begun past the fence, it writes.
    let mut writing = first.write().await;
    let connection: &mut Connection = &mut writing.connection;
    let mut tx = connection.begin().await.unwrap();
    tx.query("UPDATE _gateway SET commits = 77").execute().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(shared.commits().await, 77);
}

#[tokio::test]
async fn who_takes_over_waits_for_the_transaction_that_is_under_way() {
    let test = "who_takes_over_waits_for_the_transaction_that_is_under_way";
    let Some(mut shared) = Shared::new(test).await else { return };
    let (first, second) = (shared.store().await, shared.store().await);
    leads(&first).await;
    for counted in [true, false] {
        let mut writing = first.write().await;
        let tx = begin(&mut writing, counted).await;
        let overtaking = {
            let second = second.clone();
            tokio::spawn(async move { second.write().await.connection.succeed().await })
        };
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while shared.observer.query(waits).one::<i64>().await.unwrap() == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        assert!(!overtaking.is_finished());
        tx.commit().await.unwrap();
        overtaking.await.unwrap().unwrap();
        assert_eq!(shared.commits().await, 1);
        drop(writing);
        assert!(matches!(commit(&first).await, Err(StoreError::Overtaken)));
        first.write().await.connection.succeed().await.unwrap();
    }
}

async fn begin(writing: &mut Writing, counted: bool) -> Transaction<'_> {
    if counted {
        writing.connection.begin_commit().await.unwrap().0
    } else {
        writing.connection.begin().await.unwrap()
    }
}

#[tokio::test]
async fn a_store_that_was_replaced_is_not_opened_again() {
    let Some(mut shared) = Shared::new("a_store_that_was_replaced_is_not_opened_again").await else { return };
    let store = shared.store().await;
    shared.observer.script("UPDATE _gateway SET epoch = 'another'").await.unwrap();
    let error = store.reconnect().await.unwrap_err();
    assert!(matches!(&error, StoreError::Replaced { is, .. } if is == "another"), "{error}");
    assert!(error.to_string().contains("restart the gateway"), "{error}");
}
