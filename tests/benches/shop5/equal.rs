//! Whether the views that a gateway kept are what their queries say, in the store that it left.

use mesh_tests::shop5::VIEWS;
use serde_json::json;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection,
    postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

use crate::base::{Base, Keep, Place};

/// A store as its gateway reads it.
pub(crate) enum Store {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Store {
    pub(crate) async fn open(place: &Place) -> Self {
        match place {
            Place::Directory(directory) => {
                let options = SqliteConnectOptions::new()
                    .filename(directory.join("gateway/query.db"))
                    .pragma("cache_size", "-262144")
                    .pragma("temp_store", "memory");
                let mut connection = options.connect().await.unwrap();
                tributary_sqlite::prepare(&mut connection).await.unwrap();
                Self::Sqlite(connection)
            }
            Place::Database(url) => {
                let options: PgConnectOptions = url.parse().unwrap();
                Self::Postgres(options.connect().await.unwrap())
            }
        }
    }

    /// What is dropped goes on closing, and its files come and go meanwhile.
    async fn close(self) {
        match self {
            Store::Sqlite(connection) => connection.close().await.unwrap(),
            Store::Postgres(connection) => connection.close().await.unwrap(),
        }
    }

    pub(crate) async fn execute(&mut self, sql: String) {
        let script = sqlx::raw_sql(AssertSqlSafe(sql.clone()));
        let done = match self {
            Store::Sqlite(connection) => script.execute(connection).await.map(drop),
            Store::Postgres(connection) => script.execute(connection).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn count(&mut self, sql: String) -> i64 {
        match self {
            Store::Sqlite(connection) => {
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
            }
            Store::Postgres(connection) => {
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
            }
        }
    }
}

/// Copies the views as they were kept, lets a gateway define the same views as computed when read, and compares.
pub(crate) async fn check(base: &Base, place: &Place) {
    let mut store = Store::open(place).await;
    for (name, _) in VIEWS {
        store.execute(format!("CREATE TABLE kept_{name} AS SELECT * FROM {name}")).await;
    }
    store.close().await;
    let mut running = base.start_from(place, Keep::None, &[]).await;
    running.wait_views().await;
    running.process.terminate();
    let mut store = Store::open(&running.place).await;
    for (name, _) in VIEWS {
        compare(&mut store, &format!("kept_{name}"), name).await;
    }
}

/// The same for a view that was added beside the one that is computed when read.
pub(crate) async fn added(place: &Place, name: &str) {
    compare(&mut Store::open(place).await, &format!("added_{name}"), name).await;
}

async fn compare(store: &mut Store, kept: &str, name: &str) {
    store.execute(format!("CREATE TABLE computed AS SELECT * FROM {name}")).await;
    let rows = store.count(format!("SELECT COUNT(*) FROM {kept}")).await;
    let computed = store.count("SELECT COUNT(*) FROM computed".to_owned()).await;
    let without = |one: &str, other: &str| {
        format!("SELECT COUNT(*) FROM (SELECT * FROM {one} EXCEPT SELECT * FROM {other}) AS other")
    };
    let more = store.count(without(kept, "computed")).await;
    let less = store.count(without("computed", kept)).await;
    store.execute("DROP TABLE computed".to_owned()).await;
    println!(
        "{}",
        json!({"bench": "equality", "view": name, "rows": rows, "too_many": more, "missing": less})
    );
    assert_eq!((rows, more, less), (computed, 0, 0), "{name} is not what its query says");
}
