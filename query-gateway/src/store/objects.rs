//! The tables, views and indexes that the store has, as it lists them itself.

use crate::database::{Connection, Error};

/// Tables whose names begin like that.
pub(super) async fn tables(tx: &mut Connection, prefix: &str) -> Result<Vec<String>, Error> {
    let text = "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, length($1)) = $1";
    tx.query(text).bind(prefix).all().await
}

/// The views that users can read, each with the statement that made it.
pub(crate) async fn views(tx: &mut Connection) -> Result<Vec<(String, String)>, Error> {
    let text = "SELECT name, sql FROM sqlite_schema WHERE type = 'view' AND name NOT GLOB '_*'";
    tx.query(text).all().await
}

/// The statement that made a view, if it is there.
pub(crate) async fn view(tx: &mut Connection, name: &str) -> Result<Option<String>, Error> {
    let text = "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = $1";
    tx.query(text).bind(name).optional().await
}

/// What there is of a version, each as `VIEW name` or `TABLE name`; first what reads the others.
pub(super) async fn of_version(tx: &mut Connection, number: i64) -> Result<Vec<String>, Error> {
    let text = "SELECT type || ' ' || name FROM sqlite_schema
        WHERE type IN ('view', 'table') AND name GLOB $1 ORDER BY type DESC";
    tx.query(text).bind(format!("_v{number}_*")).all().await
}

/// Indexes that come and go with views and with what users ask for: name, table, and the statement that made each.
pub(super) async fn indexes(tx: &mut Connection) -> Result<Vec<(String, String, String)>, Error> {
    let text = "SELECT name, tbl_name, sql FROM sqlite_schema
        WHERE type = 'index' AND (name GLOB '_[ix]_*' OR name GLOB '_v*_x_*')";
    tx.query(text).all().await
}

/// Every index on a table that is not that of its key: name, and the statement that made it.
pub(super) async fn indexes_on(tx: &mut Connection, table: &str) -> Result<Vec<(String, String)>, Error> {
    let text = "SELECT name, sql FROM sqlite_schema
        WHERE type = 'index' AND tbl_name = $1 AND sql IS NOT NULL ORDER BY name";
    tx.query(text).bind(table).all().await
}
