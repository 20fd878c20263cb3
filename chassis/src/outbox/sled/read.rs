//! The readers' side. Every look-up sees whole transactions; an iteration may see more of them the further it
//! gets. What is read may not be durable yet.

use std::marker::PhantomData;

use ::sled::IVec;
use prost::Message as _;
use tributary_proto::feed::v1::Position;

use super::{
    SledTables,
    layout::{
        LOG, LogRow, RecordRow, ReplyRow, StateRow, Trees, followed_key, join, part_count, record_key,
        request_key, state_key,
    },
};
use crate::{
    feed::{Mark, Record},
    outbox::{
        model::{Model, Stored},
        store::{BoxError, Reader, Reply, Row},
    },
};

/// The reading side of a sled store. Reads may block, on the disk and on a transaction.
pub(super) struct SledReader<T> {
    trees: Trees,
    tables: PhantomData<fn() -> T>,
}

impl<T> SledReader<T> {
    pub(super) fn new(trees: Trees) -> Self {
        Self { trees, tables: PhantomData }
    }

    async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Trees) -> Result<R, BoxError> + Send + 'static,
    ) -> Result<R, BoxError> {
        let trees = self.trees.clone();
        tokio::task::spawn_blocking(move || read(&trees)).await?
    }
}

#[tonic::async_trait]
impl<T: SledTables> Reader<T::Model> for SledReader<T> {
    async fn get(
        &self,
        key: &<T::Model as Model>::Key,
    ) -> Result<Option<Stored<<T::Model as Model>::State>>, BoxError> {
        let key = key.clone();
        self.read(move |trees| state::<T>(trees, &key)).await
    }

    async fn list(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row<T::Model>>, BoxError> {
        let (collection, after) = (collection.to_owned(), after.map(str::to_owned));
        self.read(move |trees| list::<T>(trees, &collection, after.as_deref(), limit)).await
    }

    async fn reply(&self, request_id: &str) -> Result<Option<Reply>, BoxError> {
        let id = request_id.to_owned();
        self.read(move |trees| reply(trees, &id)).await
    }

    async fn followed(&self, source: &str) -> Result<Option<Position>, BoxError> {
        let source = source.to_owned();
        self.read(move |trees| followed(trees, &source)).await
    }

    fn size(&self) -> Result<u64, BoxError> {
        Ok(self.trees.db.size_on_disk()?)
    }

    async fn oldest(&self) -> Result<Mark, BoxError> {
        self.read(|trees| {
            let log = trees.meta.get(LOG)?.ok_or("the log's row is missing")?;
            Ok(LogRow::decode(log.as_ref())?.oldest())
        })
        .await
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, BoxError> {
        self.read(move |trees| Ok(record(trees, sequence)?.map(|record| record.digest))).await
    }

    async fn records(&self, after: u64, through: u64, max_bytes: usize) -> Result<Vec<Record>, BoxError> {
        self.read(move |trees| records(trees, after, through, max_bytes)).await
    }
}

pub(super) fn state<T: SledTables>(
    trees: &Trees,
    key: &<T::Model as Model>::Key,
) -> Result<Option<Stored<<T::Model as Model>::State>>, BoxError> {
    let (collection, id) = T::place(key);
    let row = trees.state.get(state_key(collection, &id))?;
    row.map(|row| StateRow::decode(row.as_ref())?.stored(T::decode)).transpose()
}

fn list<T: SledTables>(
    trees: &Trees,
    collection: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Row<T::Model>>, BoxError> {
    let prefix = state_key(collection, "");
    let mut from = state_key(collection, after.unwrap_or_default());
    if after.is_some() {
        // The smallest key behind it.
        from.push(0);
    }
    let mut rows = Vec::new();
    for row in trees.state.range(from..).take(limit) {
        let (key, row) = row?;
        let Some(id) = key.strip_prefix(prefix.as_slice()) else { break };
        let key = T::key(collection, std::str::from_utf8(id)?);
        rows.push((key, StateRow::decode(row.as_ref())?.stored(T::decode)?));
    }
    Ok(rows)
}

pub(super) fn followed(trees: &Trees, source: &str) -> Result<Option<Position>, BoxError> {
    let position = trees.meta.get(followed_key(source))?;
    Ok(position.map(|position| Position::decode(position.as_ref())).transpose()?)
}

pub(super) fn reply(trees: &Trees, request_id: &str) -> Result<Option<Reply>, BoxError> {
    let Some(first) = trees.requests.get(request_key(request_id, 0))? else { return Ok(None) };
    let mut values = vec![first.clone()];
    for part in 1..part_count(&first)? {
        values.extend(trees.requests.get(request_key(request_id, part))?);
    }
    join::<ReplyRow>(&values)?.map(Reply::try_from).transpose()
}

fn record(trees: &Trees, sequence: u64) -> Result<Option<Record>, BoxError> {
    Ok(records(trees, sequence.saturating_sub(1), sequence, 0)?.pop())
}

/// Changes behind `after` up to `through`. One that is being pruned at the same time is left out.
fn records(trees: &Trees, after: u64, through: u64, max_bytes: usize) -> Result<Vec<Record>, BoxError> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut values: Vec<IVec> = Vec::new();
    for row in trees.outbox.range(record_key(after + 1, 0)..record_key(through + 1, 0)) {
        let (key, value) = row?;
        if key.ends_with(&[0, 0]) {
            // The first part of the next one, if nothing else was in the way.
            values.clear();
        }
        bytes += value.len();
        values.push(value);
        if let Some(row) = join::<RecordRow>(&values)? {
            records.push(row.into());
            if bytes > max_bytes {
                break;
            }
        }
    }
    Ok(records)
}

/// The last change behind `after` up to `through` that ends a command.
pub(super) fn last_of_command(trees: &Trees, after: u64, through: u64) -> Result<Option<Mark>, BoxError> {
    for sequence in (after + 1..=through).rev() {
        let Some(record) = record(trees, sequence)? else { break };
        if record.change.last_in_command {
            return Ok(Some(Mark { sequence, digest: record.digest }));
        }
    }
    Ok(None)
}
