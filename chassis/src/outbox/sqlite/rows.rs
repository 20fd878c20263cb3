//! States that are the rows of one table, on SQLite.
//!
//! A statement costs more than a row, so each call is one or two statements however many states it is about: keys
//! and rows travel as one JSON text.

use serde::Serialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::outbox::{
    model::Stored,
    rows::{self, SqlRow, SqlRows, State, columns, condition, kept},
    store::{BoxError, Row, StateWrite},
};

/// A row: its key, its own columns by name, and what is kept beside them.
#[derive(Serialize)]
struct Whole<'a, R> {
    key: &'a str,
    row: R,
    kept: [i64; 4],
}

/// The states of those of the keys that have one.
pub(super) async fn load<T: SqlRows>(
    connection: &mut SqliteConnection,
    keys: &[String],
) -> Result<Vec<Row<T::Model>>, BoxError> {
    let load = format!("SELECT * FROM {} WHERE {} IN (SELECT value FROM json_each(?1))", T::TABLE, T::KEY);
    let load = sqlx::query(AssertSqlSafe(load)).bind(serde_json::to_string(keys)?);
    load.fetch_all(connection).await?.iter().map(|row| rows::read::<T>(SqlRow::Sqlite(row))).collect()
}

/// Writes states; `None` removes. Each key comes once.
pub(crate) async fn save<T: SqlRows>(
    connection: &mut SqliteConnection,
    writes: &[StateWrite<T::Model>],
) -> Result<(), BoxError> {
    let keys: Vec<&String> = writes.iter().map(|(key, _)| key).collect();
    let remove = format!("DELETE FROM {} WHERE {} IN (SELECT value FROM json_each(?1))", T::TABLE, T::KEY);
    let remove = sqlx::query(AssertSqlSafe(remove)).bind(serde_json::to_string(&keys)?);
    remove.execute(&mut *connection).await?;
    let rows: Vec<Whole<'_, T::Row<'_>>> =
        writes.iter().filter_map(|(key, stored)| Some(whole::<T>(key, stored.as_ref()?))).collect();
    let insert = sqlx::query(AssertSqlSafe(insert::<T>())).bind(serde_json::to_string(&rows)?);
    insert.execute(connection).await?;
    Ok(())
}

/// Up to `limit` states of a collection in binary order of their id, behind `after`.
pub(crate) async fn scan<T: SqlRows>(
    connection: &mut SqliteConnection,
    collection: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Row<T::Model>>, BoxError> {
    // The empty text is before all keys.
    let scan = sqlx::query(AssertSqlSafe(scan_statement::<T>(collection)?)).bind(after.unwrap_or_default());
    let rows = scan.bind(i64::try_from(limit)?).fetch_all(connection).await?;
    rows.iter().map(|row| rows::read::<T>(SqlRow::Sqlite(row))).collect()
}

fn whole<'a, T: SqlRows>(key: &'a str, stored: &'a Stored<State<T>>) -> Whole<'a, T::Row<'a>> {
    Whole { key, row: T::row(&stored.state), kept: kept(stored) }
}

fn insert<T: SqlRows>() -> String {
    let columns: Vec<_> = columns::<T>().collect();
    let own = T::COLUMNS.iter().map(|column| format!("value ->> '$.row.{column}'"));
    let kept = (0..rows::KEPT.len()).map(|at| format!("value ->> '$.kept[{at}]'"));
    let values: Vec<_> = std::iter::once("value ->> 'key'".to_owned()).chain(own).chain(kept).collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    format!("INSERT INTO {} ({columns}) SELECT {values} FROM json_each(?1)", T::TABLE)
}

/// The statement that reads a page of a collection: behind ?1, at most ?2 rows. Public, so that a service can have it
/// explained, and hold it to its index.
pub fn scan_statement<T: SqlRows>(collection: &str) -> Result<String, BoxError> {
    let (table, key, condition) = (T::TABLE, T::KEY, condition::<T>(collection)?);
    Ok(format!("SELECT * FROM {table} WHERE {condition} AND {key} > ?1 ORDER BY {key} LIMIT ?2"))
}
