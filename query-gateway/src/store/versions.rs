//! Which versions of views the store holds. The tables of a version are `_vN_*`; it is listed in the transaction that
//! makes them, and marked complete in the one that fills it to the end. After a crash, those that are not complete are
//! removed, and made again from the start.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::error::StoreError;

const OPERATION: &str = "keeping the versions of views";

/// Those that are complete: name and fingerprint, and number.
pub(crate) async fn complete_ones(
    tx: &mut SqliteConnection,
) -> Result<BTreeMap<(String, String), i64>, StoreError> {
    let rows: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT number, name, fingerprint FROM _versions WHERE complete ORDER BY number")
            .fetch_all(tx)
            .await
            .map_err(StoreError::sql(OPERATION))?;
    Ok(rows.into_iter().map(|(number, name, fingerprint)| ((name, fingerprint), number)).collect())
}

/// All that are listed.
pub(crate) async fn numbers(tx: &mut SqliteConnection) -> Result<Vec<i64>, StoreError> {
    sqlx::query_scalar("SELECT number FROM _versions").fetch_all(tx).await.map_err(StoreError::sql(OPERATION))
}

/// A number that no version has had.
pub(crate) async fn next_number(tx: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT next_version FROM _gateway")
        .fetch_one(tx)
        .await
        .map_err(StoreError::sql(OPERATION))
}

/// Lists a version whose tables are being made.
pub(crate) async fn insert(
    tx: &mut SqliteConnection,
    number: i64,
    name: &str,
    fingerprint: &str,
) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    sqlx::query("UPDATE _gateway SET next_version = max(next_version, ?1 + 1)")
        .bind(number)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    sqlx::query("INSERT INTO _versions (number, name, fingerprint, complete) VALUES (?1, ?2, ?3, 0)")
        .bind(number)
        .bind(name)
        .bind(fingerprint)
        .execute(tx)
        .await
        .map(drop)
        .map_err(&failed)
}

/// Marks a version as filled to the end.
pub(crate) async fn complete(tx: &mut SqliteConnection, number: i64) -> Result<(), StoreError> {
    let done =
        sqlx::query("UPDATE _versions SET complete = 1 WHERE number = ?1").bind(number).execute(tx).await;
    done.map(drop).map_err(StoreError::sql(OPERATION))
}

/// The views that users can read.
pub(crate) async fn readable(tx: &mut SqliteConnection) -> Result<BTreeSet<String>, StoreError> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'view' AND name NOT GLOB '_*'")
            .fetch_all(tx)
            .await
            .map_err(StoreError::sql(OPERATION))?;
    Ok(names.into_iter().collect())
}

/// Removes a version, and the view by which users read it.
pub(crate) async fn remove(tx: &mut SqliteConnection, name: &str, number: i64) -> Result<(), StoreError> {
    let reads: Option<String> =
        sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1")
            .bind(name)
            .fetch_optional(&mut *tx)
            .await
            .map_err(StoreError::sql(OPERATION))?;
    if reads.is_some_and(|sql| sql.contains(&format!("_v{number}_"))) {
        execute(tx, format!("DROP VIEW \"{name}\"")).await?;
    }
    remove_tables(tx, number).await
}

/// Removes a version of which nothing else is known any more.
pub(crate) async fn remove_tables(tx: &mut SqliteConnection, number: i64) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    let names: Vec<(String, String)> = sqlx::query_as(
        "SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'table') AND name GLOB ?1 ORDER BY type DESC",
    )
    .bind(format!("_v{number}_*"))
    .fetch_all(&mut *tx)
    .await
    .map_err(&failed)?;
    for (kind, name) in names {
        execute(tx, format!("DROP {kind} {name}")).await?;
    }
    sqlx::query("DELETE FROM _versions WHERE number = ?1")
        .bind(number)
        .execute(tx)
        .await
        .map(drop)
        .map_err(&failed)
}

async fn execute(tx: &mut SqliteConnection, text: String) -> Result<(), StoreError> {
    let done = sqlx::query(AssertSqlSafe(text)).persistent(false).execute(tx).await;
    done.map(drop).map_err(StoreError::sql(OPERATION))
}
