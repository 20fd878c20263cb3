//! The readers' connections, which cannot write.

use std::{marker::PhantomData, path::PathBuf};

use futures::TryStreamExt as _;
use prost::Message as _;
use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};
use tributary_proto::feed::v1::{Change, Position};

use super::{rows, write::mark};
use crate::{
    feed::{Mark, Record},
    outbox::{
        model::{Model, Stored},
        rows::SqlRows,
        store::{BoxError, Reader, Reply, Row},
    },
    store_size,
};

/// The reading side of a SQLite store.
pub(super) struct SqliteReader<T> {
    pool: SqlitePool,
    file: PathBuf,
    tables: PhantomData<fn() -> T>,
}

impl<T> SqliteReader<T> {
    pub(super) fn new(pool: SqlitePool, file: PathBuf) -> Self {
        Self { pool, file, tables: PhantomData }
    }
}

#[tonic::async_trait]
impl<T: SqlRows> Reader<T::Model> for SqliteReader<T> {
    async fn get(
        &self,
        key: &<T::Model as Model>::Key,
    ) -> Result<Option<Stored<<T::Model as Model>::State>>, BoxError> {
        let mut connection = self.pool.acquire().await?;
        let rows = rows::load::<T>(&mut connection, std::slice::from_ref(key)).await?;
        Ok(rows.into_iter().next().map(|(_, stored)| stored))
    }

    async fn list(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row<T::Model>>, BoxError> {
        let mut connection = self.pool.acquire().await?;
        rows::scan::<T>(&mut connection, collection, after, limit).await
    }

    async fn reply(&self, request_id: &str) -> Result<Option<Reply>, BoxError> {
        let select =
            "SELECT digest, body, positions, commit_time FROM tributary_replies WHERE request_id = ?1";
        let row = sqlx::query(select).bind(request_id).fetch_optional(&self.pool).await?;
        row.as_ref().map(reply).transpose()
    }

    async fn followed(&self, source: &str) -> Result<Option<Position>, BoxError> {
        let select = "SELECT service, epoch, sequence, digest FROM tributary_followed WHERE source = ?1";
        let row = sqlx::query(select).bind(source).fetch_optional(&self.pool).await?;
        row.as_ref().map(followed).transpose()
    }

    fn size(&self) -> Result<u64, BoxError> {
        Ok(store_size::of_sqlite(&self.file)?)
    }

    async fn oldest(&self) -> Result<Mark, BoxError> {
        let select = "SELECT oldest_sequence, oldest_digest FROM tributary_log";
        let row = sqlx::query(select).fetch_one(&self.pool).await?;
        Ok(mark(row.try_get(0)?, row.try_get(1)?))
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, BoxError> {
        let select = "SELECT digest FROM tributary_changes WHERE sequence = ?1";
        let digest: Option<i64> =
            sqlx::query_scalar(select).bind(sequence as i64).fetch_optional(&self.pool).await?;
        Ok(digest.map(|digest| digest as u64))
    }

    async fn records(&self, after: u64, through: u64, max_bytes: usize) -> Result<Vec<Record>, BoxError> {
        let select = "SELECT digest, change FROM tributary_changes
                      WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence";
        let mut rows = sqlx::query(select).bind(after as i64).bind(through as i64).fetch(&self.pool);
        let mut records = Vec::new();
        let mut bytes = 0;
        while bytes <= max_bytes {
            let Some(row) = rows.try_next().await? else { break };
            let (digest, change): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            bytes += change.len();
            records.push(Record { change: Change::decode(change)?, digest: digest as u64 });
        }
        Ok(records)
    }
}

/// From service, epoch, sequence and digest.
pub(super) fn followed(row: &SqliteRow) -> Result<Position, BoxError> {
    let (sequence, digest): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
    Ok(Position {
        service: row.try_get(0)?,
        epoch: row.try_get(1)?,
        sequence: sequence as u64,
        digest: digest as u64,
    })
}

/// From digest, body, positions and commit time.
pub(super) fn reply(row: &SqliteRow) -> Result<Reply, BoxError> {
    let digest: &[u8] = row.try_get(0)?;
    Ok(Reply {
        digest: digest.try_into()?,
        body: row.try_get(1)?,
        positions: row.try_get(2)?,
        commit_time: row.try_get(3)?,
    })
}
