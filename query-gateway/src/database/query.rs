//! A statement with its values.

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use sqlx::{
    Arguments as _, PgConnection, Postgres, SqlStr, Sqlite, SqliteConnection, postgres::PgArguments,
    sqlite::SqliteArguments,
};

use super::{
    argument::Argument,
    connection::{Connection, Link},
    error::Error,
    postgres::Bound,
    row::{FromRow, Row},
};

/// A statement, to be given its values and then to be run.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct Query<'q> {
    connection: &'q mut Connection,
    text: SqlStr,
    arguments: Vec<Argument<'q>>,
    keep: bool,
}

/// The same for the database that it is for.
enum Ready<'q> {
    Sqlite(&'q mut SqliteConnection, sqlx::query::Query<'static, Sqlite, SqliteArguments>),
    Postgres(&'q mut PgConnection, sqlx::query::Query<'static, Postgres, PgArguments>),
}

impl<'q> Query<'q> {
    pub(super) fn new(connection: &'q mut Connection, text: SqlStr) -> Self {
        Self { connection, text, arguments: Vec::new(), keep: true }
    }

    /// The value of the next parameter.
    pub fn bind(mut self, value: impl Into<Argument<'q>>) -> Self {
        self.arguments.push(value.into());
        self
    }

    /// The values of the next parameters.
    pub fn bind_all(mut self, values: impl IntoIterator<Item = Argument<'q>>) -> Self {
        self.arguments.extend(values);
        self
    }

    /// Whether it stays prepared: not what is hardly ever asked again.
    pub fn keep(self, keep: bool) -> Self {
        Self { keep, ..self }
    }

    /// Runs it for its effect; how many rows that had.
    pub async fn execute(self) -> Result<u64, Error> {
        Ok(match self.ready().await? {
            Ready::Sqlite(connection, query) => query.execute(connection).await?.rows_affected(),
            Ready::Postgres(connection, query) => query.execute(connection).await?.rows_affected(),
        })
    }

    /// All its rows.
    pub async fn all<R: FromRow>(self) -> Result<Vec<R>, Error> {
        match self.ready().await? {
            Ready::Sqlite(connection, query) => {
                let rows = query.fetch_all(connection).await?;
                rows.into_iter().map(|row| R::from_row(Row::Sqlite(row))).collect()
            }
            Ready::Postgres(connection, query) => {
                let rows = query.fetch_all(connection).await?;
                rows.into_iter().map(|row| R::from_row(Row::Postgres(row))).collect()
            }
        }
    }

    /// Its first row, if there is one.
    pub async fn optional<R: FromRow>(self) -> Result<Option<R>, Error> {
        let row = match self.ready().await? {
            Ready::Sqlite(connection, query) => query.fetch_optional(connection).await?.map(Row::Sqlite),
            Ready::Postgres(connection, query) => query.fetch_optional(connection).await?.map(Row::Postgres),
        };
        row.map(R::from_row).transpose()
    }

    /// Its first row, which there is.
    pub async fn one<R: FromRow>(self) -> Result<R, Error> {
        self.optional().await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Its rows as they come.
    pub async fn stream(self) -> Result<BoxStream<'q, Result<Row, Error>>, Error> {
        Ok(match self.ready().await? {
            Ready::Sqlite(connection, query) => {
                query.fetch(connection).map_ok(Row::Sqlite).map_err(Error::from).boxed()
            }
            Ready::Postgres(connection, query) => {
                query.fetch(connection).map_ok(Row::Postgres).map_err(Error::from).boxed()
            }
        })
    }

    /// Once the connection is rid of what nobody owns.
    async fn ready(self) -> Result<Ready<'q>, Error> {
        let Self { connection, text, arguments: values, keep } = self;
        connection.settle().await?;
        Ok(match &mut connection.link {
            Link::Sqlite(link) => {
                let mut arguments = SqliteArguments::default();
                values.into_iter().try_for_each(|value| value.add_to_sqlite(&mut arguments))?;
                Ready::Sqlite(link, sqlx::query_with(text, arguments).persistent(keep))
            }
            Link::Postgres(link) => {
                let mut arguments = PgArguments::default();
                let mut add = |value: &Argument<'_>| arguments.add(Bound(value)).map_err(Error::encoding);
                values.iter().try_for_each(&mut add)?;
                Ready::Postgres(link, sqlx::query_with(text, arguments).persistent(keep))
            }
        })
    }
}
