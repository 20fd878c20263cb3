//! The books of the processor, as an auditor of that company reads them: the only proof that nobody was
//! charged twice which does not come from the service under test.

use std::path::Path;

use sqlx::{
    Connection as _, FromRow, PgConnection, SqliteConnection,
    postgres::PgRow,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use test_prerequisites::postgres::store_flags;

/// One idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) payment_id: String,
    pub(crate) operation: String,
    /// How often it was asked.
    pub(crate) attempts: i64,
    /// What was done, if anything.
    pub(crate) answer: Option<String>,
}

/// Everything that the processor was asked for, in order of payment and operation.
pub(crate) async fn entries(data_dir: &Path) -> Vec<Entry> {
    let sql = "SELECT payment_id, operation, attempts, answer FROM operations
               WHERE payment_id LIKE $1 ORDER BY payment_id, operation";
    let rows: Vec<(String, String, i64, Option<String>)> = Books::open(data_dir).await.rows(sql, "%").await;
    let entry = |(payment_id, operation, attempts, answer)| Entry { payment_id, operation, attempts, answer };
    rows.into_iter().map(entry).collect()
}

/// The operations by which money of a payment moved, or was given up, each as often as it did; always of
/// the amount that [`authorize`](super::authorize) asks for.
pub(crate) async fn approved(data_dir: &Path, payment_id: &str) -> Vec<String> {
    let sql = "SELECT operation, currency_code, minor_units FROM movements
               WHERE payment_id = $1 ORDER BY operation";
    let rows: Vec<(String, String, i64)> = Books::open(data_dir).await.rows(sql, payment_id).await;
    let is_whole =
        |(_, currency, amount): &(String, String, i64)| (currency.as_str(), *amount) == ("EUR", 2500);
    assert!(rows.iter().all(is_whole), "{rows:?}");
    rows.into_iter().map(|(operation, ..)| operation).collect()
}

/// The database of the processor.
enum Books {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Books {
    async fn open(data_dir: &Path) -> Self {
        let flags = store_flags(env!("CARGO_CRATE_NAME"), data_dir).await;
        let Some(database) = flags.last() else {
            let file = SqliteConnectOptions::new().filename(data_dir.join("processor.db")).read_only(true);
            return Books::Sqlite(SqliteConnection::connect_with(&file).await.unwrap());
        };
        let mut connection = PgConnection::connect(database).await.unwrap();
        sqlx::query("SET search_path = processor").execute(&mut connection).await.unwrap();
        Books::Postgres(connection)
    }

    /// The rows of a statement with one text in it.
    async fn rows<R>(self, sql: &'static str, text: &str) -> Vec<R>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        match self {
            Books::Sqlite(mut books) => sqlx::query_as(sql).bind(text).fetch_all(&mut books).await.unwrap(),
            Books::Postgres(mut books) => sqlx::query_as(sql).bind(text).fetch_all(&mut books).await.unwrap(),
        }
    }
}
