//! States that are the rows of one table: what every such service does the same way.
//!
//! A statement costs more than a row, so each call is one or two statements however many states it is about: keys
//! and rows travel as one JSON text.

use serde::Serialize;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::SqliteTables;
use crate::{
    outbox::{
        model::{Model, Published, Stored},
        store::{BoxError, Row, StateWrite},
    },
    timestamp::{from_micros, micros},
};

/// What the outbox keeps beside a state, each a column of its name: the sequence of the change that wrote the row
/// last, how often it was written, and microseconds since 1970, UTC.
const KEPT: [&str; 4] = ["sequence", "version", "create_time", "update_time"];

type State<T> = <<T as SqliteRows>::Model as Model>::State;

/// A service with one row for each state, in a table whose key is a text. It makes of these a [`SqliteTables`].
///
/// The table has the columns of [`SqliteRows::KEY`], [`SqliteRows::COLUMNS`], and `sequence`, `version`,
/// `create_time` and `update_time`, all four INTEGER.
pub trait SqliteRows: Send + Sync + 'static {
    /// Whose states.
    type Model: Published<Key = String>;

    /// A state as a row: a field for each of [`SqliteRows::COLUMNS`]. What is an object or a list becomes its JSON text.
    type Row<'a>: Serialize + Send;

    /// Its name.
    const TABLE: &'static str;
    /// The column that has the key; no key is the empty text.
    const KEY: &'static str;
    /// The columns that a state is made of.
    const COLUMNS: &'static [&'static str];

    /// As [`SqliteTables::migrations`].
    fn migrations() -> Vec<(i64, &'static str, &'static str)>;

    /// The condition in SQL by which a collection has a row, or `None` if there is no such collection. For an index
    /// over a part of the table it is that of the index, word for word, or SQLite does not use it.
    fn condition(collection: &str) -> Option<&'static str>;

    /// A state, to be written.
    fn row(state: &State<Self>) -> Self::Row<'_>;

    /// The reverse of [`SqliteRows::row`].
    fn read(row: &SqliteRow) -> Result<State<Self>, BoxError>;
}

/// A row, with the names of its columns.
#[derive(Serialize)]
struct Whole<'a, R> {
    key: &'a str,
    row: R,
    sequence: u64,
    version: u64,
    create_time: i64,
    update_time: i64,
}

impl<T: SqliteRows> SqliteTables for T {
    type Model = T::Model;

    fn migrations() -> Vec<(i64, &'static str, &'static str)> {
        <T as SqliteRows>::migrations()
    }

    async fn load(
        connection: &mut SqliteConnection,
        keys: &[String],
    ) -> Result<Vec<Row<T::Model>>, BoxError> {
        let load =
            format!("SELECT * FROM {} WHERE {} IN (SELECT value FROM json_each(?1))", T::TABLE, T::KEY);
        let load = sqlx::query(AssertSqlSafe(load)).bind(serde_json::to_string(keys)?);
        load.fetch_all(connection).await?.iter().map(read::<T>).collect()
    }

    async fn save(
        connection: &mut SqliteConnection,
        writes: &[StateWrite<T::Model>],
    ) -> Result<(), BoxError> {
        let keys: Vec<&String> = writes.iter().map(|(key, _)| key).collect();
        let remove =
            format!("DELETE FROM {} WHERE {} IN (SELECT value FROM json_each(?1))", T::TABLE, T::KEY);
        let remove = sqlx::query(AssertSqlSafe(remove)).bind(serde_json::to_string(&keys)?);
        remove.execute(&mut *connection).await?;
        let rows: Vec<Whole<'_, T::Row<'_>>> =
            writes.iter().filter_map(|(key, stored)| Some(whole::<T>(key, stored.as_ref()?))).collect();
        let insert = sqlx::query(AssertSqlSafe(insert::<T>())).bind(serde_json::to_string(&rows)?);
        insert.execute(connection).await?;
        Ok(())
    }

    async fn scan(
        connection: &mut SqliteConnection,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row<T::Model>>, BoxError> {
        // The empty text is before all keys.
        let scan =
            sqlx::query(AssertSqlSafe(scan_statement::<T>(collection)?)).bind(after.unwrap_or_default());
        scan.bind(i64::try_from(limit)?).fetch_all(connection).await?.iter().map(read::<T>).collect()
    }
}

fn insert<T: SqliteRows>() -> String {
    let columns = [&[T::KEY], T::COLUMNS, &KEPT].concat().join(", ");
    let own = T::COLUMNS.iter().map(|column| format!("value ->> '$.row.{column}'"));
    let kept = KEPT.iter().map(|column| format!("value ->> '{column}'"));
    let values: Vec<String> = std::iter::once("value ->> 'key'".to_owned()).chain(own).chain(kept).collect();
    format!("INSERT INTO {} ({columns}) SELECT {} FROM json_each(?1)", T::TABLE, values.join(", "))
}

/// The statement that reads a page of a collection: behind ?1, at most ?2 rows. Public, so that a service can have it
/// explained, and hold it to its index.
pub fn scan_statement<T: SqliteRows>(collection: &str) -> Result<String, BoxError> {
    let (table, key) = (T::TABLE, T::KEY);
    let condition =
        T::condition(collection).ok_or_else(|| format!("`{collection}` is no collection of {table}"))?;
    Ok(format!("SELECT * FROM {table} WHERE {condition} AND {key} > ?1 ORDER BY {key} LIMIT ?2"))
}

fn whole<'a, T: SqliteRows>(key: &'a str, stored: &'a Stored<State<T>>) -> Whole<'a, T::Row<'a>> {
    Whole {
        key,
        row: T::row(&stored.state),
        sequence: stored.sequence,
        version: stored.version,
        create_time: micros(stored.create_time),
        update_time: micros(stored.update_time),
    }
}

fn read<T: SqliteRows>(row: &SqliteRow) -> Result<Row<T::Model>, BoxError> {
    let stored = Stored {
        state: T::read(row)?,
        sequence: row.try_get("sequence")?,
        version: row.try_get("version")?,
        create_time: from_micros(row.try_get("create_time")?),
        update_time: from_micros(row.try_get("update_time")?),
    };
    Ok((row.try_get(T::KEY)?, stored))
}
