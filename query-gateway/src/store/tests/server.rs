//! A store in PostgreSQL: what it takes, and what it refuses by name.

use std::time::Duration;

use futures::future::join_all;
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::time::{Instant, sleep, timeout};
use tributary_chassis::fault::{Fault, Reason, causes};

use super::place::{Database, Place};
use crate::{
    database::{Class, Connection},
    store::Store,
};

/// Where there is PostgreSQL.
pub(super) async fn place(test: &str) -> Option<(Place, String)> {
    let database = Database::new(test).await?;
    let url = database.url().to_owned();
    Some((Place::Database(database), url))
}

async fn change(place: &Place, script: &str) {
    place.store().await.write().await.script(script).await.unwrap();
}

async fn refusal(url: &str) -> String {
    let error = Store::connect(&url.parse().unwrap()).await.map(drop).unwrap_err();
    causes(&error)
}

#[tokio::test]
async fn gateways_that_start_at_once_make_one_store() {
    let Some((_place, url)) = place("gateways_that_start_at_once_make_one_store").await else { return };
    let database = url.parse().unwrap();
    let stores = join_all((0..6).map(|_| Store::connect(&database))).await;
    let epochs: Vec<String> = stores.into_iter().map(|store| store.unwrap().epoch().to_owned()).collect();
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

#[tokio::test]
async fn a_database_of_others_is_refused_and_left_as_it_is() {
    let test = "a_database_of_others_is_refused_and_left_as_it_is";
    let Some((_place, url)) = place(test).await else { return };
    let options: PgConnectOptions = url.parse().unwrap();
    let mut connection = Connection::postgres(options.connect().await.unwrap());
    connection.script("CREATE TABLE ledger (n BIGINT)").await.unwrap();
    let refused = refusal(&url).await;
    assert!(refused.contains("`ledger`") && refused.contains("database of its own"), "{refused}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(connection.query(tables).one::<i64>().await.unwrap(), 1);
}

#[tokio::test]
async fn another_format_is_refused_by_its_number() {
    let Some((place, url)) = place("another_format_is_refused_by_its_number").await else { return };
    change(&place, "UPDATE _gateway SET format = 7").await;
    let refused = refusal(&url).await;
    assert!(refused.contains("its format is 7"), "{refused}");
}

#[tokio::test]
async fn readers_cannot_write() {
    let Some((place, _)) = place("readers_cannot_write").await else { return };
    let store = place.store().await;
    let mut reader = store.read().await.unwrap();
    let error = reader.query("DELETE FROM _sources").execute().await.unwrap_err();
    assert_eq!(error.class(), Class::Denied, "{error}");
}

/// A reader that is dropped while it reads is closed, and the server looks whether its client is there.
#[tokio::test]
async fn what_nobody_waits_for_any_more_is_stopped() {
    let Some((place, _)) = place("what_nobody_waits_for_any_more_is_stopped").await else { return };
    let store = place.store().await;
    let mut reader = store.read().await.unwrap();
    let mut snapshot = reader.snapshot().await.unwrap();
    let endless = snapshot.query("SELECT count(*) FROM generate_series(1, 1000000000000) AS endless");
    assert!(timeout(Duration::from_millis(100), endless.one::<i64>()).await.is_err());
    drop(snapshot);
    drop(reader);
    let mut writer = store.write().await;
    let running = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%AS endless' AND state = 'active'";
    let begun = Instant::now();
    while writer.query(running).one::<i64>().await.unwrap() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it runs on");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What does not mend itself is told with what to do; what may is waited for.
#[tokio::test]
async fn who_cannot_be_reached_is_told_so() {
    let Some((_place, url)) = place("who_cannot_be_reached_is_told_so").await else { return };
    let refused = refusal(&url.replace("/test_", "/nothing_")).await;
    assert!(refused.contains("does not exist") && refused.contains("createdb"), "{refused}");
    let refused = refusal(&url.replace("//tributary@", "//stranger@")).await;
    assert!(refused.contains("stranger") && refused.contains("give a user"), "{refused}");
    let unreachable = "postgres://gateway@127.0.0.1:1/read_model".parse().unwrap();
    let error = Store::connect(&unreachable).await.map(drop).unwrap_err();
    assert!(error.ends_writing(), "{error:?}");
    let fault = Fault::from(error);
    assert_eq!(fault.reason(), Reason::Unavailable);
}
