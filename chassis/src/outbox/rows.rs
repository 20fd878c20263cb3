//! States that are the rows of one table, whatever SQL database has it: what a service says of its table is said once,
//! and each kind of store makes its own statements of it.

use serde::Serialize;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type, postgres::PgRow, sqlite::SqliteRow};

use super::{
    Outbox,
    model::{Model, Published, Stored},
    open::{OpenError, OutboxOptions},
    store::{BoxError, Row},
};
use crate::timestamp::{from_micros, micros};

/// What the outbox keeps beside a state, each a column of its name: the sequence of the change that wrote the row
/// last, how often it was written, and microseconds since 1970, UTC.
pub(super) const KEPT: [&str; 4] = ["sequence", "version", "create_time", "update_time"];

pub(super) type State<T> = <<T as SqlRows>::Model as Model>::State;

/// Version, name and text of a migration.
pub type Migration = (i64, &'static str, &'static str);

/// A service with one row for each state, in a table whose key is a text.
///
/// The table has the columns of [`SqlRows::KEY`], [`SqlRows::COLUMNS`], and `sequence`, `version`, `create_time` and
/// `update_time`, all four integers of 64 bits.
pub trait SqlRows: Send + Sync + 'static {
    /// Whose states.
    type Model: Published<Key = String>;

    /// A state as a row: a field for each of [`SqlRows::COLUMNS`]. On SQLite, what is an object or a list becomes its
    /// JSON text; on PostgreSQL the column may be JSONB.
    type Row<'a>: Serialize + Send;

    /// Its name.
    const TABLE: &'static str;
    /// The column that has the key; no key is the empty text. Its order is binary on every store.
    const KEY: &'static str;
    /// The columns that a state is made of.
    const COLUMNS: &'static [&'static str];
    /// What makes the table on SQLite, in order of version; none may change once it has run anywhere.
    const ON_SQLITE: &'static [Migration];
    /// The same on PostgreSQL.
    const ON_POSTGRES: &'static [Migration];

    /// The condition in SQL by which a collection has a row, or `None` if there is no such collection. For an index
    /// over a part of the table it is that of the index, word for word, or SQLite does not use it.
    fn condition(collection: &str) -> Option<&'static str>;

    /// A state, to be written.
    fn row(state: &State<Self>) -> Self::Row<'_>;

    /// The reverse of [`SqlRows::row`].
    fn read(row: &SqlRow<'_>) -> Result<State<Self>, BoxError>;
}

impl<M: Published> Outbox<M> {
    /// Opens the service's store where the options say, or creates it: in the database, if they name one, else as a
    /// SQLite file in the data directory.
    pub async fn open_sql<T: SqlRows<Model = M>>(options: OutboxOptions) -> Result<Self, OpenError> {
        match &options.database {
            Some(_) => Self::open_postgres::<T>(options).await,
            None => Self::open_sqlite::<T>(options).await,
        }
    }
}

/// A row of either database.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "the rows have none")]
pub enum SqlRow<'r> {
    /// Of SQLite.
    Sqlite(&'r SqliteRow),
    /// Of PostgreSQL.
    Postgres(&'r PgRow),
}

impl<'r> SqlRow<'r> {
    /// The value of a column.
    pub fn get<T>(&self, column: &str) -> Result<T, BoxError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(match self {
            SqlRow::Sqlite(row) => row.try_get(column)?,
            SqlRow::Postgres(row) => row.try_get(column)?,
        })
    }
}

/// The state of a row, with its key and what is kept beside it.
pub(super) fn read<T: SqlRows>(row: SqlRow<'_>) -> Result<Row<T::Model>, BoxError> {
    let stored = Stored {
        state: T::read(&row)?,
        sequence: row.get::<i64>("sequence")?.cast_unsigned(),
        version: row.get::<i64>("version")?.cast_unsigned(),
        create_time: from_micros(row.get("create_time")?),
        update_time: from_micros(row.get("update_time")?),
    };
    Ok((row.get(T::KEY)?, stored))
}

/// What is kept beside a state, in the order of [`KEPT`].
pub(super) fn kept<S>(stored: &Stored<S>) -> [i64; 4] {
    let Stored { sequence, version, create_time, update_time, .. } = stored;
    [sequence.cast_signed(), version.cast_signed(), micros(*create_time), micros(*update_time)]
}

/// The columns of a row: the key, those of the state, and what is kept beside it.
pub(super) fn columns<T: SqlRows>() -> impl Iterator<Item = &'static str> {
    std::iter::once(T::KEY).chain(T::COLUMNS.iter().copied()).chain(KEPT)
}

/// The condition of a collection that there is.
pub(super) fn condition<T: SqlRows>(collection: &str) -> Result<&'static str, BoxError> {
    T::condition(collection).ok_or_else(|| format!("`{collection}` is no collection of {}", T::TABLE).into())
}
