//! The writer's side: one transaction per group, then its sync.

use std::{fs::File, marker::PhantomData};

use ::sled::{
    Batch as TreeBatch, IVec,
    transaction::{ConflictableTransactionError, TransactionError, Transactional as _},
};
use prost::Message as _;

use super::{
    SledTables,
    layout::{
        LOG, LogRow, RecordRow, STATE_LIMIT, StateRow, Trees, followed_key, leading_number, part_count,
        parts, record_key, request_key, state_key, time_key,
    },
    read,
};
use crate::{
    fault::Fault,
    feed::Mark,
    outbox::{
        batch::Batch,
        group::too_much,
        model::Model,
        store::{Backend, BoxError, Failure, Loaded, StateWrite, Wanted},
    },
};

/// The writing side of a sled store.
pub(super) struct SledBackend<T> {
    trees: Trees,
    /// The file that sled writes to, on a handle of our own.
    file: File,
    /// The log's row as the group found it.
    log: IVec,
    tables: PhantomData<fn() -> T>,
}

impl<T> SledBackend<T> {
    pub(super) fn new(trees: Trees, file: File) -> Self {
        Self { trees, file, log: IVec::default(), tables: PhantomData }
    }
}

impl<T: SledTables> Backend<T::Model> for SledBackend<T> {
    const SHOWS_UNSYNCED: bool = true;

    fn admit(&self, writes: &[StateWrite<T::Model>]) -> Result<(), Fault> {
        for stored in writes.iter().filter_map(|(_, stored)| stored.as_ref()) {
            let bytes = T::encode(&stored.state).len();
            if bytes > STATE_LIMIT {
                return Err(too_much("state", bytes, STATE_LIMIT, "bytes"));
            }
        }
        Ok(())
    }

    /// Nobody else writes, so what is read here is what the transaction in [`Backend::apply`] will find; it
    /// makes sure of that by the log's row.
    async fn begin(
        &mut self,
        wanted: &Wanted<<T::Model as Model>::Key>,
    ) -> Result<Loaded<T::Model>, BoxError> {
        self.log = self.trees.meta.get(LOG)?.ok_or("the log's row is missing")?;
        let log = LogRow::decode(self.log.as_ref())?;
        let mut states = Vec::new();
        for key in &wanted.keys {
            states.extend(read::state::<T>(&self.trees, key)?.map(|stored| (key.clone(), stored)));
        }
        let mut replies = Vec::new();
        for id in &wanted.requests {
            replies.extend(read::reply(&self.trees, id)?.map(|reply| (id.clone(), reply)));
        }
        let mut followed = Vec::new();
        for source in &wanted.sources {
            followed.extend(read::followed(&self.trees, source)?.map(|at| (source.clone(), at)));
        }
        let (head, oldest) = (log.head(), log.oldest());
        Ok(Loaded { head, head_time: None, oldest, states, replies, followed })
    }

    async fn apply(&mut self, batch: &Batch<T::Model>) -> Result<(), Failure> {
        let changes = self.changes(batch).map_err(Failure::Refused)?;
        let Trees { meta, state, outbox, requests, requests_by_time, .. } = &self.trees;
        let written = (meta, state, outbox, requests, requests_by_time).transaction(
            |(meta, state, outbox, requests, requests_by_time)| {
                if meta.get(LOG)?.as_ref() != Some(&self.log) {
                    return Err(ConflictableTransactionError::Abort("the log moved under the writer"));
                }
                meta.apply_batch(&changes.meta)?;
                state.apply_batch(&changes.state)?;
                outbox.apply_batch(&changes.outbox)?;
                requests.apply_batch(&changes.requests)?;
                requests_by_time.apply_batch(&changes.requests_by_time)?;
                Ok(())
            },
        );
        written.map_err(|error| match error {
            TransactionError::Abort(reason) => Failure::Refused(reason.into()),
            // It may have come after the first of the trees was written.
            TransactionError::Storage(error) => Failure::Unknown(error.into()),
        })
    }

    async fn sync(&mut self) -> Result<(), BoxError> {
        self.trees.db.flush()?;
        Ok(self.file.sync_data()?)
    }

    async fn rollback(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    async fn close(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What a group changes in each tree.
#[derive(Default)]
struct Changes {
    meta: TreeBatch,
    state: TreeBatch,
    outbox: TreeBatch,
    requests: TreeBatch,
    requests_by_time: TreeBatch,
}

impl<T: SledTables> SledBackend<T> {
    fn changes(&self, batch: &Batch<T::Model>) -> Result<Changes, BoxError> {
        let mut changes = Changes::default();
        for (key, stored) in &batch.writes {
            let (collection, id) = T::place(key);
            let key = state_key(collection, &id);
            match stored {
                Some(stored) => {
                    let row = StateRow::new(stored, T::encode(&stored.state));
                    changes.state.insert(key, row.encode_to_vec());
                }
                None => changes.state.remove(key),
            }
        }
        for record in &batch.records {
            let row = RecordRow { digest: record.digest, change: record.change.clone() };
            for (part, value) in parts(&row) {
                changes.outbox.insert(record_key(record.change.sequence, part), value);
            }
        }
        for (id, reply) in &batch.replies {
            let values = parts(&super::layout::ReplyRow::from(reply.clone()));
            let count = values.len() as u16;
            changes.requests_by_time.insert(time_key(reply.commit_time, id), &count.to_be_bytes());
            for (part, value) in values {
                changes.requests.insert(request_key(id, part), value);
            }
        }
        for (source, position) in &batch.followed {
            changes.meta.insert(followed_key(source), position.encode_to_vec());
        }
        let mut log = LogRow::decode(self.log.as_ref())?;
        (log.head_sequence, log.head_digest) = (batch.head.sequence, batch.head.digest);
        if let Some(oldest) = self.prune(batch, &mut changes.outbox)? {
            (log.oldest_sequence, log.oldest_digest) = (oldest.sequence, oldest.digest);
        }
        self.forget(batch, &mut changes)?;
        changes.meta.insert(LOG, log.encode_to_vec());
        Ok(changes)
    }

    /// Removes the changes that are not kept any more, up to the end of a command; that is the new oldest.
    fn prune(&self, batch: &Batch<T::Model>, outbox: &mut TreeBatch) -> Result<Option<Mark>, BoxError> {
        let Some((oldest, through)) = batch.prune else { return Ok(None) };
        let stored = through.min(self.head()?);
        let Some(last) = read::last_of_command(&self.trees, oldest, stored)? else { return Ok(None) };
        for row in self.trees.outbox.range(..record_key(last.sequence + 1, 0)) {
            outbox.remove(row?.0);
        }
        Ok(Some(last))
    }

    /// Removes replies of their age.
    fn forget(&self, batch: &Batch<T::Model>, changes: &mut Changes) -> Result<(), BoxError> {
        let (before, limit) = batch.forget;
        let old = self.trees.requests_by_time.range(..time_key(before.max(0), ""));
        for row in old.take(limit) {
            let (key, count) = row?;
            let id = std::str::from_utf8(key.get(size_of::<u64>()..).unwrap_or_default())?;
            for part in 0..part_count(&count)? {
                changes.requests.remove(request_key(id, part));
            }
            changes.requests_by_time.remove(key);
        }
        Ok(())
    }

    /// The last change that is stored, before this group.
    fn head(&self) -> Result<u64, BoxError> {
        let last = self.trees.outbox.last()?;
        last.map_or(Ok(0), |(key, _)| leading_number(&key))
    }
}
