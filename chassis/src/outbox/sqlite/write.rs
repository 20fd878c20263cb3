//! The writer's connection.

use prost::Message as _;
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};
use std::marker::PhantomData;

use super::{
    read::{followed, reply},
    rows,
};
use crate::{
    fault::Fault,
    feed::Mark,
    outbox::{
        batch::Batch,
        model::Model,
        rows::SqlRows,
        store::{Backend, BoxError, Failure, Loaded, StateWrite, Wanted},
    },
};

/// The writing side of a SQLite store.
pub(super) struct SqliteBackend<T> {
    connection: SqliteConnection,
    tables: PhantomData<fn() -> T>,
}

impl<T> SqliteBackend<T> {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection, tables: PhantomData }
    }
}

impl<T: SqlRows> Backend<T::Model> for SqliteBackend<T> {
    const SHOWS_UNSYNCED: bool = false;

    fn admit(&self, _: &[StateWrite<T::Model>]) -> Result<(), Fault> {
        Ok(())
    }

    async fn begin(
        &mut self,
        wanted: &Wanted<<T::Model as Model>::Key>,
    ) -> Result<Loaded<T::Model>, BoxError> {
        let connection = &mut self.connection;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        let log = "SELECT head_sequence, head_digest, oldest_sequence, oldest_digest FROM tributary_log";
        let log = sqlx::query(log).fetch_one(&mut *connection).await?;
        let states = match wanted.keys.as_slice() {
            [] => Vec::new(),
            keys => rows::load::<T>(connection, keys).await?,
        };
        let mut replies = Vec::new();
        if !wanted.requests.is_empty() {
            // Request ids consist of characters that need no escape in JSON.
            let ids = format!("[\"{}\"]", wanted.requests.join("\",\""));
            let select = "SELECT digest, body, positions, commit_time, request_id FROM tributary_replies
                          WHERE request_id IN (SELECT value FROM json_each(?1))";
            for row in sqlx::query(select).bind(ids).fetch_all(&mut *connection).await? {
                replies.push((row.try_get(4)?, reply(&row)?));
            }
        }
        let mut positions = Vec::new();
        for source in &wanted.sources {
            let select = "SELECT service, epoch, sequence, digest FROM tributary_followed WHERE source = ?1";
            let row = sqlx::query(select).bind(source).fetch_optional(&mut *connection).await?;
            positions.extend(row.as_ref().map(followed).transpose()?.map(|at| (source.clone(), at)));
        }
        Ok(Loaded {
            head: mark(log.try_get(0)?, log.try_get(1)?),
            head_time: None,
            oldest: mark(log.try_get(2)?, log.try_get(3)?),
            states,
            replies,
            followed: positions,
        })
    }

    async fn apply(&mut self, batch: &Batch<T::Model>) -> Result<(), Failure> {
        let written = async {
            if !batch.writes.is_empty() {
                rows::save::<T>(&mut self.connection, &batch.writes).await?;
            }
            write(&mut self.connection, batch).await?;
            prune(&mut self.connection, batch).await
        };
        written.await.map_err(Failure::Refused)
    }

    async fn sync(&mut self) -> Result<(), BoxError> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), BoxError> {
        match sqlx::query("ROLLBACK").execute(&mut self.connection).await {
            // After some errors SQLite has rolled back already.
            Err(sqlx::Error::Database(error)) if error.message().contains("no transaction is active") => {
                Ok(())
            }
            result => Ok(result.map(drop)?),
        }
    }

    async fn close(self) -> Result<(), BoxError> {
        Ok(self.connection.close().await?)
    }
}

pub(super) fn mark(sequence: i64, digest: i64) -> Mark {
    Mark { sequence: sequence as u64, digest: digest as u64 }
}

async fn write<M: Model>(connection: &mut SqliteConnection, batch: &Batch<M>) -> Result<(), BoxError> {
    for records in steps(&batch.records) {
        let insert = "INSERT INTO tributary_changes (sequence, digest, last_in_command, change) ";
        QueryBuilder::<Sqlite>::new(insert)
            .push_values(records, |mut row, record| {
                row.push_bind(record.change.sequence as i64)
                    .push_bind(record.digest as i64)
                    .push_bind(record.change.last_in_command)
                    .push_bind(record.change.encode_to_vec());
            })
            .build()
            .execute(&mut *connection)
            .await?;
    }
    for replies in steps(&batch.replies) {
        let insert = "INSERT INTO tributary_replies (request_id, digest, body, positions, commit_time) ";
        QueryBuilder::<Sqlite>::new(insert)
            .push_values(replies, |mut row, (id, reply)| {
                row.push_bind(id.clone())
                    .push_bind(reply.digest.to_vec())
                    .push_bind(reply.body.clone())
                    .push_bind(reply.positions.clone())
                    .push_bind(reply.commit_time);
            })
            .build()
            .execute(&mut *connection)
            .await?;
    }
    for (source, position) in &batch.followed {
        sqlx::query("INSERT OR REPLACE INTO tributary_followed VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(source)
            .bind(&position.service)
            .bind(&position.epoch)
            .bind(position.sequence as i64)
            .bind(position.digest as i64)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("UPDATE tributary_log SET head_sequence = ?1, head_digest = ?2")
        .bind(batch.head.sequence as i64)
        .bind(batch.head.digest as i64)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what is not kept any more: changes up to the end of a command, and replies of their age.
async fn prune<M: Model>(connection: &mut SqliteConnection, batch: &Batch<M>) -> Result<(), BoxError> {
    if let Some((oldest, through)) = batch.prune {
        let last = "SELECT sequence, digest FROM tributary_changes
                    WHERE sequence > ?1 AND sequence <= ?2 AND last_in_command
                    ORDER BY sequence DESC LIMIT 1";
        let last = sqlx::query(last).bind(oldest as i64).bind(through as i64);
        if let Some(last) = last.fetch_optional(&mut *connection).await? {
            let (sequence, digest): (i64, i64) = (last.try_get(0)?, last.try_get(1)?);
            let delete = "DELETE FROM tributary_changes WHERE sequence <= ?1";
            sqlx::query(delete).bind(sequence).execute(&mut *connection).await?;
            let update = "UPDATE tributary_log SET oldest_sequence = ?1, oldest_digest = ?2";
            sqlx::query(update).bind(sequence).bind(digest).execute(&mut *connection).await?;
        }
    }
    let (before, limit) = batch.forget;
    let delete = "DELETE FROM tributary_replies WHERE rowid IN
                  (SELECT rowid FROM tributary_replies WHERE commit_time < ?1 ORDER BY commit_time LIMIT ?2)";
    sqlx::query(delete).bind(before).bind(limit as i64).execute(connection).await?;
    Ok(())
}

/// Rows in steps of few sizes, so that their statements stay prepared.
fn steps<R>(mut rows: &[R]) -> impl Iterator<Item = &[R]> {
    std::iter::from_fn(move || {
        let size = [64, 8, 1].into_iter().find(|size| rows.len() >= *size)?;
        let (step, rest) = rows.split_at(size);
        rows = rest;
        Some(step)
    })
}
