//! The writer's connection.

use std::{marker::PhantomData, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use prost::Message as _;
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};
use tokio::time::timeout;

use super::{
    failed, failed_within, mark,
    read::{followed, reply},
    rows,
    trace::{Found, Trace},
    watch::CHANNEL,
};
use crate::{
    database::Database,
    fault::{Fault, causes},
    outbox::{
        batch::Batch,
        hooks::{Hooks, Mutant},
        model::Model,
        rows::SqlRows,
        store::{Backend, BoxError, Failure, Loaded, Replaced, StateWrite, Unreachable, Wanted},
    },
    timestamp,
};

/// A transaction of a process that is stopped must not stand in the way of others for long, and one that waits for
/// another's lock gives up, so that its callers may be told.
const SETTINGS: &str = "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed';
                        SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '10s';
                        SET statement_timeout = '20s'; SET jit = off";

/// A server that gives no answer to one statement for so long is given up: longer than what the server itself ends.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long it is tried to find out what became of a transaction: a server that is started anew, or that another one
/// takes over from, is back by then.
const RESOLVING: Duration = Duration::from_secs(60);

/// The writing side of a PostgreSQL store.
pub(super) struct PostgresBackend<T> {
    database: Database,
    /// None after it was lost.
    connection: Option<PgConnection>,
    /// Of the group that was applied last.
    trace: Option<Trace>,
    epoch: String,
    instance: String,
    hooks: Hooks,
    tables: PhantomData<fn() -> T>,
}

impl<T> PostgresBackend<T> {
    pub(super) fn new(
        database: Database,
        connection: PgConnection,
        epoch: String,
        instance: String,
        hooks: Hooks,
    ) -> Self {
        let (connection, trace) = (Some(connection), None);
        Self { database, connection, trace, epoch, instance, hooks, tables: PhantomData }
    }

    /// A connection to write with.
    pub(super) async fn connect(database: &Database) -> Result<PgConnection, sqlx::Error> {
        database.connect(SETTINGS).await
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, BoxError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Self::connect(&self.database).await.map_err(failed)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// The connection that has the transaction open.
    fn open(&mut self) -> Result<&mut PgConnection, BoxError> {
        self.connection
            .as_mut()
            .ok_or_else(|| Box::new(Unreachable("the connection is lost".into())) as BoxError)
    }

    /// Begins a transaction with the lock of the store.
    async fn lock(&mut self) -> Result<PgRow, BoxError> {
        let select = match self.hooks.mutant(Mutant::PlainSequence) {
            false => LOCK,
            true => LOCK_NOTHING,
        };
        let connection = self.connection().await?;
        sqlx::query("BEGIN").execute(&mut *connection).await.map_err(failed)?;
        let log = sqlx::query(select).fetch_one(connection).await.map_err(failed)?;
        let is: String = log.try_get(0)?;
        if is != self.epoch {
            return Err(Box::new(Replaced { was: self.epoch.clone(), is }));
        }
        Ok(log)
    }

    /// What became of the transaction that left this. It gives the lock back before it is taken here.
    async fn found(&self, trace: &Trace) -> Result<Found, sqlx::Error> {
        let mut connection = Self::connect(&self.database).await?;
        let mut transaction = connection.begin().await?;
        sqlx::query(LOCK).fetch_one(&mut *transaction).await?;
        let found = trace.look_up(&mut transaction).await?;
        transaction.rollback().await?;
        Ok(found)
    }
}

/// Of everything in a transaction the first: whoever shares the store waits here, and sees what was committed before.
const LOCK: &str = "SELECT epoch, head_sequence, head_digest, head_time, oldest_sequence, oldest_digest
                    FROM tributary_log FOR UPDATE";

/// [`Mutant::PlainSequence`]: what an outbox does that takes its positions from the sequence of a database.
const LOCK_NOTHING: &str =
    "SELECT epoch, nextval('plain') - 1, head_digest, head_time, oldest_sequence, oldest_digest
                            FROM tributary_log";

impl<T: SqlRows> Backend<T::Model> for PostgresBackend<T> {
    const SHOWS_UNSYNCED: bool = false;

    fn admit(&self, _: &[StateWrite<T::Model>]) -> Result<(), Fault> {
        Ok(())
    }

    async fn begin(
        &mut self,
        wanted: &Wanted<<T::Model as Model>::Key>,
    ) -> Result<Loaded<T::Model>, BoxError> {
        answered(async {
            let log = self.lock().await?;
            let connection = self.open()?;
            let states = match wanted.keys.as_slice() {
                [] => Vec::new(),
                keys => rows::load::<T>(connection, keys).await.map_err(failed_within)?,
            };
            let (mut replies, mut positions) = (Vec::new(), Vec::new());
            if !wanted.requests.is_empty() {
                let select = "SELECT digest, body, positions, commit_time, request_id FROM tributary_replies
                              WHERE request_id = ANY($1)";
                let select = sqlx::query(select).bind(&wanted.requests);
                for row in select.fetch_all(&mut *connection).await.map_err(failed)? {
                    replies.push((row.try_get(4)?, reply(&row)?));
                }
            }
            if !wanted.sources.is_empty() {
                let select = "SELECT service, epoch, sequence, digest, source FROM tributary_followed
                              WHERE source = ANY($1)";
                let select = sqlx::query(select).bind(&wanted.sources);
                for row in select.fetch_all(&mut *connection).await.map_err(failed)? {
                    positions.push((row.try_get(4)?, followed(&row)?));
                }
            }
            Ok(Loaded {
                head: mark(log.try_get(1)?, log.try_get(2)?),
                head_time: Some(timestamp::from_micros(log.try_get(3)?)),
                oldest: mark(log.try_get(4)?, log.try_get(5)?),
                states,
                replies,
                followed: positions,
            })
        })
        .await
    }

    async fn apply(&mut self, batch: &Batch<T::Model>) -> Result<(), Failure> {
        self.trace = Trace::of(batch);
        let written = answered(async {
            let connection = self.open()?;
            if !batch.writes.is_empty() {
                rows::save::<T>(connection, &batch.writes).await.map_err(failed_within)?;
            }
            write(connection, batch).await.map_err(failed)?;
            prune(connection, batch).await.map_err(failed)
        });
        written.await.map_err(Failure::Refused)
    }

    async fn sync(&mut self) -> Result<(), BoxError> {
        answered(async {
            sqlx::query("COMMIT").execute(self.open()?).await.map_err(failed)?;
            Ok(())
        })
        .await
    }

    async fn outcome(&mut self, error: BoxError) -> Result<bool, BoxError> {
        tracing::warn!(error = causes(&*error), "the outcome of a commit is unknown; looking it up");
        // Whatever is still open there ends with it, one way or the other.
        self.connection = None;
        let patience = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_total_delay(Some(RESOLVING))
            .without_max_times()
            .with_jitter();
        let Some(trace) = &self.trace else { return Err(error) };
        match (|| self.found(trace)).retry(patience).await.map_err(failed)? {
            Found::Committed => Ok(true),
            Found::Lost => Ok(false),
            Found::Unknown => Err(error),
        }
    }

    async fn announce(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&self.instance);
        // Others look by themselves; what is wrong with the connection shows with the next group.
        if let Err(error) = answered(async { Ok(notify.execute(connection).await?) }).await {
            tracing::debug!(error = causes(&*error), "others were not told of a commit");
            self.connection = None;
        }
    }

    async fn rollback(&mut self) -> Result<(), BoxError> {
        // Without an answer the server is left to roll back by itself, once it finds the connection closed.
        if let Some(mut connection) = self.connection.take()
            && answered(async { Ok(sqlx::query("ROLLBACK").execute(&mut connection).await?) }).await.is_ok()
        {
            self.connection = Some(connection);
        }
        Ok(())
    }

    async fn close(self) -> Result<(), BoxError> {
        match self.connection {
            Some(connection) => Ok(connection.close().await?),
            None => Ok(()),
        }
    }
}

async fn answered<R>(asking: impl Future<Output = Result<R, BoxError>>) -> Result<R, BoxError> {
    let late = |_| Box::new(Unreachable(format!("no answer in {PATIENCE:?}").into())) as BoxError;
    timeout(PATIENCE, asking).await.map_err(late)?
}

async fn write<M: Model>(connection: &mut PgConnection, batch: &Batch<M>) -> Result<(), sqlx::Error> {
    if !batch.records.is_empty() {
        let records = &batch.records;
        let insert = "INSERT INTO tributary_changes (sequence, digest, last_in_command, change)
                      SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::boolean[], $4::bytea[])";
        sqlx::query(insert)
            .bind(records.iter().map(|record| record.change.sequence.cast_signed()).collect::<Vec<_>>())
            .bind(records.iter().map(|record| record.digest.cast_signed()).collect::<Vec<_>>())
            .bind(records.iter().map(|record| record.change.last_in_command).collect::<Vec<_>>())
            .bind(records.iter().map(|record| record.change.encode_to_vec()).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    if !batch.replies.is_empty() {
        let replies = &batch.replies;
        let insert = "INSERT INTO tributary_replies (request_id, digest, body, positions, commit_time)
                      SELECT * FROM UNNEST($1::text[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[])";
        sqlx::query(insert)
            .bind(replies.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>())
            .bind(replies.iter().map(|(_, reply)| reply.digest.to_vec()).collect::<Vec<_>>())
            .bind(replies.iter().map(|(_, reply)| reply.body.clone()).collect::<Vec<_>>())
            .bind(replies.iter().map(|(_, reply)| reply.positions.clone()).collect::<Vec<_>>())
            .bind(replies.iter().map(|(_, reply)| reply.commit_time).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    for (source, position) in &batch.followed {
        let upsert =
            "INSERT INTO tributary_followed VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source) DO UPDATE
                      SET service = excluded.service, epoch = excluded.epoch, sequence = excluded.sequence,
                          digest = excluded.digest";
        sqlx::query(upsert)
            .bind(source)
            .bind(&position.service)
            .bind(&position.epoch)
            .bind(position.sequence.cast_signed())
            .bind(position.digest.cast_signed())
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("UPDATE tributary_log SET head_sequence = $1, head_digest = $2, head_time = $3")
        .bind(batch.head.sequence.cast_signed())
        .bind(batch.head.digest.cast_signed())
        .bind(timestamp::micros(batch.now))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what is not kept any more: changes up to the end of a command, and replies of their age.
async fn prune<M: Model>(connection: &mut PgConnection, batch: &Batch<M>) -> Result<(), sqlx::Error> {
    if let Some((oldest, through)) = batch.prune {
        let last = "SELECT sequence, digest FROM tributary_changes
                    WHERE sequence > $1 AND sequence <= $2 AND last_in_command
                    ORDER BY sequence DESC LIMIT 1";
        let last = sqlx::query(last).bind(oldest.cast_signed()).bind(through.cast_signed());
        if let Some(last) = last.fetch_optional(&mut *connection).await? {
            let (sequence, digest): (i64, i64) = (last.try_get(0)?, last.try_get(1)?);
            let delete = "DELETE FROM tributary_changes WHERE sequence <= $1";
            sqlx::query(delete).bind(sequence).execute(&mut *connection).await?;
            let update = "UPDATE tributary_log SET oldest_sequence = $1, oldest_digest = $2";
            sqlx::query(update).bind(sequence).bind(digest).execute(&mut *connection).await?;
        }
    }
    let (before, limit) = batch.forget;
    let delete = "DELETE FROM tributary_replies WHERE request_id = ANY(ARRAY(
                      SELECT request_id FROM tributary_replies WHERE commit_time < $1 ORDER BY commit_time LIMIT $2))";
    sqlx::query(delete).bind(before).bind(limit as i64).execute(connection).await?;
    Ok(())
}
