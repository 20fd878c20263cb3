//! Which versions of views the store holds. The tables of a version are `_vN_*`; it is listed in the transaction that
//! makes them, and marked complete in the one that fills it to the end. After a crash, those that are not complete are
//! removed, and made again from the start.

use std::collections::{BTreeMap, BTreeSet};

use super::{layout, load::execute, objects};
use crate::{database::Connection, error::StoreError};

const OPERATION: &str = "keeping the versions of views";

/// Those that are complete: name and fingerprint, and number.
pub(crate) async fn complete_ones(
    tx: &mut Connection,
) -> Result<BTreeMap<(String, String), i64>, StoreError> {
    let listed =
        tx.query("SELECT number, name, fingerprint FROM _versions WHERE complete = 1 ORDER BY number");
    let rows: Vec<(i64, String, String)> = listed.all().await.map_err(StoreError::sql(OPERATION))?;
    Ok(rows.into_iter().map(|(number, name, fingerprint)| ((name, fingerprint), number)).collect())
}

/// All that are listed.
pub(crate) async fn numbers(tx: &mut Connection) -> Result<Vec<i64>, StoreError> {
    tx.query("SELECT number FROM _versions").all().await.map_err(StoreError::sql(OPERATION))
}

/// A number that no version has had.
pub(crate) async fn next_number(tx: &mut Connection) -> Result<i64, StoreError> {
    tx.query("SELECT next_version FROM _gateway").one().await.map_err(StoreError::sql(OPERATION))
}

/// Lists a version whose tables are being made.
pub(crate) async fn insert(
    tx: &mut Connection,
    number: i64,
    name: &str,
    fingerprint: &str,
) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    let taken = tx.query("UPDATE _gateway SET next_version = $1 + 1 WHERE next_version <= $1").bind(number);
    taken.execute().await.map_err(&failed)?;
    let insert =
        tx.query("INSERT INTO _versions (number, name, fingerprint, complete) VALUES ($1, $2, $3, 0)");
    insert.bind(number).bind(name).bind(fingerprint).execute().await.map(drop).map_err(&failed)
}

/// Marks a version as filled to the end.
pub(crate) async fn complete(tx: &mut Connection, number: i64) -> Result<(), StoreError> {
    let marked = tx.query("UPDATE _versions SET complete = 1 WHERE number = $1").bind(number).execute().await;
    marked.map(drop).map_err(StoreError::sql(OPERATION))
}

/// The views that users can read.
pub(crate) async fn readable(tx: &mut Connection) -> Result<BTreeSet<String>, StoreError> {
    let views = objects::views(tx).await.map_err(StoreError::sql(OPERATION))?;
    Ok(views.into_iter().map(|(name, _)| name).collect())
}

/// Removes a version, and the view by which users read it.
pub(crate) async fn remove(tx: &mut Connection, name: &str, number: i64) -> Result<(), StoreError> {
    let reads = objects::view(tx, name).await.map_err(StoreError::sql(OPERATION))?;
    if reads.is_some_and(|sql| sql.contains(&format!("_v{number}_"))) {
        layout::take(tx).await?;
        objects::remove_view(tx, name).await.map_err(StoreError::sql(OPERATION))?;
    }
    remove_tables(tx, number).await
}

/// Removes a version of which nothing else is known any more.
pub(crate) async fn remove_tables(tx: &mut Connection, number: i64) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    layout::take(tx).await?;
    for object in objects::of_version(tx, number).await.map_err(&failed)? {
        execute(tx, format!("DROP {object}")).await?;
    }
    let delete = tx.query("DELETE FROM _versions WHERE number = $1").bind(number);
    delete.execute().await.map(drop).map_err(&failed)
}
