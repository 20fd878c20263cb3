//! The readers' connections, which cannot write.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
};

use futures::TryStreamExt as _;
use prost::Message as _;
use sqlx::{PgExecutor, PgPool, Postgres, Row as _, pool::PoolConnection, postgres::PgRow};
use tributary_proto::feed::v1::{Change, Position};

use super::{failed, failed_within, mark, rows, watch::Watch};
use crate::{
    database::Database,
    feed::{Mark, Record},
    outbox::{
        model::{Model, Stored},
        progress::Progress,
        rows::SqlRows,
        store::{BoxError, Reader, Reply, Row},
    },
};

/// The reading side of a PostgreSQL store.
pub(super) struct PostgresReader<T> {
    pool: PgPool,
    database: Database,
    epoch: String,
    /// Who of those that share the store this is.
    instance: String,
    /// Bytes, as they were asked for last.
    size: AtomicU64,
    tables: PhantomData<fn() -> T>,
}

impl<T> PostgresReader<T> {
    pub(super) fn new(pool: PgPool, database: Database, epoch: String, instance: String) -> Self {
        Self { pool, database, epoch, instance, size: AtomicU64::new(0), tables: PhantomData }
    }

    async fn reader(&self) -> Result<PoolConnection<Postgres>, BoxError> {
        self.pool.acquire().await.map_err(failed)
    }
}

#[tonic::async_trait]
impl<T: SqlRows> Reader<T::Model> for PostgresReader<T> {
    async fn get(
        &self,
        key: &<T::Model as Model>::Key,
    ) -> Result<Option<Stored<<T::Model as Model>::State>>, BoxError> {
        let mut reader = self.reader().await?;
        let rows = rows::load::<T>(&mut reader, std::slice::from_ref(key)).await.map_err(failed_within)?;
        Ok(rows.into_iter().next().map(|(_, stored)| stored))
    }

    async fn list(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row<T::Model>>, BoxError> {
        let mut reader = self.reader().await?;
        rows::scan::<T>(&mut reader, collection, after, limit).await.map_err(failed_within)
    }

    async fn reply(&self, request_id: &str) -> Result<Option<Reply>, BoxError> {
        let select =
            "SELECT digest, body, positions, commit_time FROM tributary_replies WHERE request_id = $1";
        let row = sqlx::query(select).bind(request_id).fetch_optional(&self.pool).await.map_err(failed)?;
        row.as_ref().map(reply).transpose()
    }

    async fn followed(&self, source: &str) -> Result<Option<Position>, BoxError> {
        let select = "SELECT service, epoch, sequence, digest FROM tributary_followed WHERE source = $1";
        let row = sqlx::query(select).bind(source).fetch_optional(&self.pool).await.map_err(failed)?;
        row.as_ref().map(followed).transpose()
    }

    fn size(&self) -> Result<u64, BoxError> {
        Ok(self.size.load(Ordering::Relaxed))
    }

    async fn head(&self) -> Result<Option<Mark>, BoxError> {
        let (_, head) = head(&self.pool).await.map_err(failed)?;
        Ok(Some(head))
    }

    async fn watch(&self, progress: &Progress) {
        let Self { database, epoch, instance, size, .. } = self;
        Watch { database, epoch, instance, size, progress }.run().await;
    }

    async fn oldest(&self) -> Result<Mark, BoxError> {
        let select = "SELECT oldest_sequence, oldest_digest FROM tributary_log";
        let row = sqlx::query(select).fetch_one(&self.pool).await.map_err(failed)?;
        Ok(mark(row.try_get(0)?, row.try_get(1)?))
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, BoxError> {
        let select = "SELECT digest FROM tributary_changes WHERE sequence = $1";
        let select = sqlx::query_scalar(select).bind(sequence.cast_signed());
        let digest: Option<i64> = select.fetch_optional(&self.pool).await.map_err(failed)?;
        Ok(digest.map(i64::cast_unsigned))
    }

    async fn records(&self, after: u64, through: u64, max_bytes: usize) -> Result<Vec<Record>, BoxError> {
        let mut after = after.cast_signed();
        let (mut records, mut bytes) = (Vec::new(), 0);
        // In steps: the server sends all that a statement asks for, whatever is read of it.
        while bytes <= max_bytes {
            let step = step(&self.pool, after, through.cast_signed()).await.map_err(failed)?;
            let Some(last) = step.last() else { break };
            after = last.try_get(2)?;
            for row in step {
                let (digest, change): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
                if bytes > max_bytes {
                    break;
                }
                bytes += change.len();
                records.push(Record { change: Change::decode(change)?, digest: digest.cast_unsigned() });
            }
        }
        Ok(records)
    }
}

/// Changes read at once.
const STEP: i64 = 256;

async fn step(pool: &PgPool, after: i64, through: i64) -> Result<Vec<PgRow>, sqlx::Error> {
    let select = "SELECT digest, change, sequence FROM tributary_changes
                  WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT $3";
    sqlx::query(select).bind(after).bind(through).bind(STEP).fetch(pool).try_collect().await
}

/// The epoch and the durable head.
pub(super) async fn head(from: impl PgExecutor<'_>) -> Result<(String, Mark), sqlx::Error> {
    let select = "SELECT epoch, head_sequence, head_digest FROM tributary_log";
    let row = sqlx::query(select).fetch_one(from).await?;
    Ok((row.try_get(0)?, mark(row.try_get(1)?, row.try_get(2)?)))
}

/// From service, epoch, sequence and digest.
pub(super) fn followed(row: &PgRow) -> Result<Position, BoxError> {
    let at = mark(row.try_get(2)?, row.try_get(3)?);
    let (service, epoch) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Position { service, epoch, sequence: at.sequence, digest: at.digest })
}

/// From digest, body, positions and commit time.
pub(super) fn reply(row: &PgRow) -> Result<Reply, BoxError> {
    let digest: &[u8] = row.try_get(0)?;
    Ok(Reply {
        digest: digest.try_into()?,
        body: row.try_get(1)?,
        positions: row.try_get(2)?,
        commit_time: row.try_get(3)?,
    })
}
