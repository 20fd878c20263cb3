//! The books of the processor, as an auditor of that company reads them: the only proof that nobody was
//! charged twice which does not come from the service under test.

use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

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
    let mut connection = open(data_dir).await;
    let sql = "SELECT payment_id, operation, attempts, answer FROM operations
               ORDER BY payment_id, operation";
    let rows: Vec<(String, String, i64, Option<String>)> =
        sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let entry = |(payment_id, operation, attempts, answer)| Entry { payment_id, operation, attempts, answer };
    rows.into_iter().map(entry).collect()
}

/// The operations by which money of a payment moved, or was given up, each as often as it did; always of
/// the amount that [`authorize`](super::authorize) asks for.
pub(crate) async fn approved(data_dir: &Path, payment_id: &str) -> Vec<String> {
    let mut connection = open(data_dir).await;
    let sql = "SELECT operation, currency_code, minor_units FROM movements
               WHERE payment_id = ?1 ORDER BY operation";
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as(sql).bind(payment_id).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let is_whole =
        |(_, currency, amount): &(String, String, i64)| (currency.as_str(), *amount) == ("EUR", 2500);
    assert!(rows.iter().all(is_whole), "{rows:?}");
    rows.into_iter().map(|(operation, ..)| operation).collect()
}

async fn open(data_dir: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(data_dir.join("processor.db")).read_only(true);
    options.connect().await.unwrap()
}
