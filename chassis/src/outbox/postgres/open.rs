//! Opening a database whose commits are durable, as the first or as one of many.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _, postgres::PgPoolOptions};

use super::{Postgres, failed, mark, read::PostgresReader, schema, write::PostgresBackend};
use crate::{
    database::{Database, is_unreachable},
    outbox::{
        hooks::Hooks,
        migrations::{chassis_migrator, migrator},
        open::{Kind, Opened, OutboxOptions},
        rows::SqlRows,
        store::BoxError,
    },
};

/// The first with all that is needed: what NULLs are the same by in a key, and numbers of transactions that do not wrap.
const MIN_VERSION: i32 = 15;

/// Connections for reading, of each process.
const READERS: u32 = 8;

/// How long a reader waits for a connection: within the deadline of who asks.
const ACQUIRE: Duration = Duration::from_secs(5);

/// A reader cannot write, and nothing that it asks for takes long.
const READER: &str = "SET default_transaction_read_only = on; SET statement_timeout = '30s'; SET jit = off";

impl<T: SqlRows> Kind<T::Model> for Postgres<T> {
    type Backend = PostgresBackend<T>;

    async fn open(
        options: &OutboxOptions,
        new_epoch: &str,
        hooks: &Hooks,
    ) -> Result<Opened<T::Model, Self::Backend>, BoxError> {
        let database = options.database.clone().ok_or("no database is given")?;
        let connect = async || PostgresBackend::<T>::connect(&database).await;
        let mut connection = database.reached(connect, is_unreachable).await.map_err(failed)?;
        require_version(&mut connection).await?;
        require_durability(&mut connection).await?;
        chassis_migrator(&schema::MIGRATIONS).run(&mut connection).await?;
        // Of those who come at once, one creates it.
        let create = "INSERT INTO tributary_log VALUES (TRUE, $1, $2, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING";
        sqlx::query(create).bind(&options.service).bind(new_epoch).execute(&mut connection).await?;
        let log = "SELECT service, epoch, head_sequence, head_digest FROM tributary_log";
        let log = sqlx::query(log).fetch_one(&mut connection).await?;
        let (service, epoch): (String, String) = (log.try_get(0)?, log.try_get(1)?);
        if service == options.service {
            // Another service's store gets no tables of ours: the caller refuses it.
            migrator(T::ON_POSTGRES).run(&mut connection).await?;
        }
        let instance = uuid::Uuid::new_v4().simple().to_string();
        Ok(Opened {
            service,
            epoch: epoch.clone(),
            head: mark(log.try_get(2)?, log.try_get(3)?),
            reader: Arc::new(PostgresReader::<T>::new(
                readers(&database),
                database.clone(),
                epoch.clone(),
                instance.clone(),
            )),
            backend: PostgresBackend::new(database, connection, epoch, instance, hooks.clone()),
        })
    }
}

fn readers(database: &Database) -> sqlx::PgPool {
    PgPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE)
        .after_connect(|reader, _| Box::pin(async move { reader.execute(READER).await.map(drop) }))
        .connect_lazy_with(database.options().clone())
}

async fn require_version(connection: &mut PgConnection) -> Result<(), BoxError> {
    let version: String =
        sqlx::query_scalar("SELECT current_setting('server_version_num')").fetch_one(connection).await?;
    let major = version.parse::<i32>()? / 10_000;
    if major < MIN_VERSION {
        return Err(format!("PostgreSQL {major} is too old: {MIN_VERSION} or newer is needed").into());
    }
    Ok(())
}

/// What the operator of the server may have switched off for all, and no session can switch on.
async fn require_durability(connection: &mut PgConnection) -> Result<(), BoxError> {
    for setting in ["fsync", "full_page_writes"] {
        let show = AssertSqlSafe(format!("SHOW {setting}"));
        let value: String = sqlx::query_scalar(show).fetch_one(&mut *connection).await?;
        if value != "on" {
            let why = "what it acknowledges would not survive a loss of power";
            return Err(format!("PostgreSQL runs with {setting}={value}: {why}").into());
        }
    }
    Ok(())
}
