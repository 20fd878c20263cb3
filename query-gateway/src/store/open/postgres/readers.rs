//! The connections that read: the gateway's own statements, and those of users.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, SqlSafeStr as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::role;
use crate::{
    database::{Connection, Error, Pool},
    error::StoreError,
    sql::text::quoted,
};

/// At once, of statements of users: fewer than of a file, as each is a process of the server.
const QUERIES: u32 = 8;

/// Of the gateway's own, which are short: status, positions, and what rows are explained by.
const OWN: u32 = 4;

const CONNECT: Duration = Duration::from_secs(10);

/// Each answer has a bound of its own, these are for what forgets it.
const READER: [(&str, &str); 3] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"),
];

/// Of an answer, which is one process and no more. What is sorted or collected beyond this goes to disk.
const QUERY: [(&str, &str); 4] = [
    ("lock_timeout", "10s"),
    ("work_mem", "16MB"),
    ("max_parallel_workers_per_gather", "0"),
    // What is compiled costs more than it saves.
    ("jit", "off"),
];

/// What an answer may put on disk, where the session may say so: most may not.
const LIMIT_FILES: &str = "SET temp_file_limit = '1GB'";

/// Those of the gateway's own statements.
pub(super) fn own(options: PgConnectOptions) -> Pool {
    Pool::Postgres(pool(OWN).connect_lazy_with(options.options(READER)))
}

/// Those of statements of users, as `role`. One is opened, so that what is wrong with them is known at once: they must read the
/// store that has this epoch.
pub(super) async fn queries(options: PgConnectOptions, role: &str, epoch: &str) -> Result<Pool, StoreError> {
    let options = options.options(READER).options(QUERY);
    let mut first =
        options.connect().await.map_err(Error::from).map_err(StoreError::sql("connecting as a reader"))?;
    let take = format!("SET ROLE {}", quoted(role));
    let taken = take_role(&mut first, &take).await.map_err(Error::from);
    taken.map_err(|error| role::taken(role, options.get_username(), error))?;
    let mut first = Connection::postgres(first);
    let read = first.query("SELECT epoch FROM _gateway").one::<String>().await;
    if read.map_err(StoreError::sql("reading as a reader"))? != epoch {
        return Err(StoreError::Server("readers are given another database".to_owned()));
    }
    let pool = pool(QUERIES).after_connect(move |reader, _| {
        let take = take.clone();
        Box::pin(async move { take_role(reader, &take).await })
    });
    Ok(Pool::Postgres(pool.connect_lazy_with(options)))
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT)
}

/// By the word of it, `take`. The role may not change the limit of files, so that is said first.
async fn take_role(reader: &mut PgConnection, take: &str) -> Result<(), sqlx::Error> {
    let may = "SELECT has_parameter_privilege('temp_file_limit', 'SET')";
    if sqlx::query_scalar(may).fetch_one(&mut *reader).await? {
        reader.execute(sqlx::raw_sql(LIMIT_FILES)).await?;
    }
    let take = sqlx::raw_sql(AssertSqlSafe(take.to_owned()).into_sql_str());
    reader.execute(take).await.map(drop)
}
