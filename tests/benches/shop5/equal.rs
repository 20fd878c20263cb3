//! Whether the views that a gateway kept are what their queries say, in the files that it left.

use std::path::Path;

use mesh_tests::shop5::VIEWS;
use serde_json::json;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions,
};

use crate::base::{Base, Keep};

/// Opens a store as its gateway reads it.
pub(crate) async fn open(directory: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("gateway/query.db"))
        .pragma("cache_size", "-262144")
        .pragma("temp_store", "memory");
    let mut connection = options.connect().await.unwrap();
    tributary_sqlite::prepare(&mut connection).await.unwrap();
    connection
}

pub(crate) async fn execute(store: &mut SqliteConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(store).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Copies the views as they were kept, lets a gateway define the same views as computed when read, and compares.
pub(crate) async fn check(base: &Base, directory: &Path) {
    let mut store = open(directory).await;
    for (name, _) in VIEWS {
        execute(&mut store, format!("CREATE TABLE kept_{name} AS SELECT * FROM {name}")).await;
    }
    store.close().await.unwrap();
    let mut running = base.start_from(directory, Keep::None, &[]).await;
    running.wait_views().await;
    running.process.terminate();
    let mut store = open(&running.directory).await;
    for (name, _) in VIEWS {
        compare(&mut store, &format!("kept_{name}"), name).await;
    }
}

/// The same for a view that was added beside the one that is computed when read.
pub(crate) async fn added(directory: &Path, name: &str) {
    compare(&mut open(directory).await, &format!("added_{name}"), name).await;
}

async fn compare(store: &mut SqliteConnection, kept: &str, name: &str) {
    execute(store, format!("CREATE TABLE computed AS SELECT * FROM {name}")).await;
    let rows = count(store, format!("SELECT COUNT(*) FROM {kept}")).await;
    let computed = count(store, "SELECT COUNT(*) FROM computed".to_owned()).await;
    let without = |one: &str, other: &str| {
        format!("SELECT COUNT(*) FROM (SELECT * FROM {one} EXCEPT SELECT * FROM {other})")
    };
    let more = count(store, without(kept, "computed")).await;
    let less = count(store, without("computed", kept)).await;
    execute(store, "DROP TABLE computed".to_owned()).await;
    println!(
        "{}",
        json!({"bench": "equality", "view": name, "rows": rows, "too_many": more, "missing": less})
    );
    assert_eq!((rows, more, less), (computed, 0, 0), "{name} is not what its query says");
}

async fn count(store: &mut SqliteConnection, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(store).await.unwrap()
}
