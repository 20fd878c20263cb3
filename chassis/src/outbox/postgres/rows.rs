//! States that are the rows of one table, on PostgreSQL.
//!
//! A round trip costs more than a row, so each call is one or two statements however many states it is about: keys travel
//! as an array, and rows as one JSON text that the server takes apart by the table's own types.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::outbox::{
    model::Stored,
    rows::{self, KEPT, SqlRow, SqlRows, State, columns, condition, kept},
    store::{BoxError, Row, StateWrite},
};

/// The states of those of the keys that have one.
pub(super) async fn load<T: SqlRows>(
    connection: &mut PgConnection,
    keys: &[String],
) -> Result<Vec<Row<T::Model>>, BoxError> {
    let load = format!("SELECT * FROM {} WHERE {} = ANY($1)", T::TABLE, T::KEY);
    let load = sqlx::query(AssertSqlSafe(load)).bind(keys.to_vec());
    load.fetch_all(connection).await?.iter().map(|row| rows::read::<T>(SqlRow::Postgres(row))).collect()
}

/// Writes states; `None` removes. Each key comes once.
pub(crate) async fn save<T: SqlRows>(
    connection: &mut PgConnection,
    writes: &[StateWrite<T::Model>],
) -> Result<(), BoxError> {
    let gone = writes.iter().filter(|(_, stored)| stored.is_none());
    let gone: Vec<String> = gone.map(|(key, _)| key.clone()).collect();
    if !gone.is_empty() {
        let remove = format!("DELETE FROM {} WHERE {} = ANY($1)", T::TABLE, T::KEY);
        sqlx::query(AssertSqlSafe(remove)).bind(gone).execute(&mut *connection).await?;
    }
    let rows = writes.iter().filter_map(|(key, stored)| Some(whole::<T>(key, stored.as_ref()?)));
    let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
    if !rows.is_empty() {
        let upsert = sqlx::query(AssertSqlSafe(upsert::<T>())).bind(serde_json::to_string(&rows)?);
        upsert.execute(connection).await?;
    }
    Ok(())
}

/// Up to `limit` states of a collection in binary order of their id, behind `after`.
pub(crate) async fn scan<T: SqlRows>(
    connection: &mut PgConnection,
    collection: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Row<T::Model>>, BoxError> {
    let (table, key, condition) = (T::TABLE, T::KEY, condition::<T>(collection)?);
    let scan = format!("SELECT * FROM {table} WHERE {condition} AND {key} > $1 ORDER BY {key} LIMIT $2");
    // The empty text is before all keys.
    let scan = sqlx::query(AssertSqlSafe(scan)).bind(after.unwrap_or_default());
    let rows = scan.bind(i64::try_from(limit)?).fetch_all(connection).await?;
    rows.iter().map(|row| rows::read::<T>(SqlRow::Postgres(row))).collect()
}

/// A row as an object with the names of all columns.
fn whole<T: SqlRows>(key: &str, stored: &Stored<State<T>>) -> Result<Value, BoxError> {
    let Value::Object(mut row) = serde_json::to_value(T::row(&stored.state))? else {
        return Err(format!("a row of {} has no columns", T::TABLE).into());
    };
    row.insert(T::KEY.to_owned(), key.into());
    row.extend(KEPT.into_iter().zip(kept(stored)).map(|(name, value)| (name.to_owned(), value.into())));
    Ok(Value::Object(row))
}

fn upsert<T: SqlRows>() -> String {
    let (table, key) = (T::TABLE, T::KEY);
    let names: Vec<_> = columns::<T>().collect();
    let sets: Vec<_> = names[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let (names, sets) = (names.join(", "), sets.join(", "));
    format!(
        "INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, $1::json) \
         ON CONFLICT ({key}) DO UPDATE SET {sets}"
    )
}
