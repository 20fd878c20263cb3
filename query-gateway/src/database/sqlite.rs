//! What of SQLite is not like PostgreSQL.

use sqlx::{Row as _, SqliteConnection, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};

use super::{error::Error, row::Value};

/// Whether a transaction is open.
pub(super) async fn in_transaction(connection: &mut SqliteConnection) -> Result<bool, Error> {
    Ok(tributary_sqlite::in_transaction(connection).await?)
}

/// A value by its storage class.
pub(super) fn value(row: &SqliteRow, at: usize) -> Result<Value, Error> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match raw.type_info().name() {
        "INTEGER" => Value::Integer(row.try_get_unchecked(at)?),
        "REAL" => Value::Double(row.try_get_unchecked(at)?),
        "TEXT" => Value::Text(row.try_get_unchecked(at)?),
        "BLOB" => Value::Bytes(row.try_get_unchecked(at)?),
        other => Value::Other(other.to_owned()),
    })
}
