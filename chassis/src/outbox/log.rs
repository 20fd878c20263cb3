//! The feed's view of a store: pages of whole commands up to the durable head, and rows for snapshots.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tributary_proto::feed::v1::{Change, Operation};

use super::{
    model::Published,
    open::Claim,
    progress::Progress,
    store::{Reader, Row, fault},
};
use crate::{
    fault::{Fault, Reason},
    feed::{Log, Mark, Record},
    timestamp,
};

/// The log of any store.
pub(super) struct StoreLog<M: Published> {
    pub(super) service: String,
    pub(super) epoch: String,
    pub(super) reader: Arc<dyn Reader<M>>,
    pub(super) progress: Arc<Progress>,
    /// Keeps up with others that share the store.
    pub(super) _watching: AbortOnDropHandle<()>,
    /// The data directory is ours as long as anybody uses it.
    pub(super) _claim: Option<Arc<Claim>>,
}

#[tonic::async_trait]
impl<M: Published> Log for StoreLog<M> {
    fn service(&self) -> &str {
        &self.service
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn entities(&self) -> &'static [&'static str] {
        M::ENTITIES
    }

    fn head(&self) -> watch::Receiver<Mark> {
        self.progress.head()
    }

    async fn oldest(&self) -> Result<Mark, Fault> {
        let oldest = self.reader.oldest().await;
        // Pruning that a crash takes back would show again what was said to be gone, which harms nobody.
        oldest.map_err(|error| fault("reading the oldest position", error))
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, Fault> {
        let mut head = *self.progress.head().borrow();
        if sequence > head.sequence {
            // Whoever asks may have it from another that shares the store.
            self.settled().await?;
            head = *self.progress.head().borrow();
        }
        if sequence >= head.sequence {
            return Ok((sequence == head.sequence).then_some(head.digest));
        }
        let digest = self.reader.digest(sequence).await;
        match digest.map_err(|error| fault("reading the digest", error))? {
            Some(digest) => Ok(Some(digest)),
            None => {
                let oldest = self.oldest().await?;
                Ok((sequence == oldest.sequence).then_some(oldest.digest))
            }
        }
    }

    async fn page(&self, after: u64, max_bytes: usize) -> Result<Vec<Record>, Fault> {
        let through = self.progress.head().borrow().sequence;
        let mut page = Page::new(after, max_bytes);
        while !page.full && page.next <= through {
            let records = self.reader.records(page.next - 1, through, max_bytes).await;
            let records = records.map_err(|error| fault("reading the feed", error))?;
            let begin = page.next;
            for record in records {
                if record.change.sequence != page.next {
                    return Err(self.missing(page.next).await?);
                }
                page.push(record);
                if page.full {
                    break;
                }
            }
            if page.next == begin {
                return Err(self.missing(begin).await?);
            }
        }
        Ok(page.finish())
    }

    async fn scan(&self, entity: &str, after_key: Option<&str>, limit: usize) -> Result<Vec<Change>, Fault> {
        let rows = self.reader.list(entity, after_key, limit).await;
        let rows = rows.map_err(|error| fault("reading the snapshot", error))?;
        self.settled().await?;
        rows.into_iter().map(|row| row_change::<M>(entity, row)).collect()
    }
}

impl<M: Published> StoreLog<M> {
    /// Resolves once all that was read before is durable, and the head covers it.
    pub(super) async fn settled(&self) -> Result<(), Fault> {
        let head = self.reader.head().await.map_err(|error| fault("reading the head", error))?;
        if let Some(head) = head {
            self.progress.publish(head);
        }
        self.progress.durable().await
    }

    /// Why a position that must be there is not: it was pruned, or the log has a hole.
    async fn missing(&self, sequence: u64) -> Result<Fault, Fault> {
        let oldest = self.oldest().await?.sequence;
        if sequence <= oldest {
            let text = format!("changes up to {oldest} are not kept any more: take a snapshot");
            return Ok(Fault::new(Reason::PositionExpired, text).with("oldest", oldest.to_string()));
        }
        let hole = format!("change {sequence} of {}/{} is missing", self.service, self.epoch);
        Ok(Fault::internal("reading the feed", hole))
    }
}

fn row_change<M: Published>(entity: &str, (key, stored): Row<M>) -> Result<Change, Fault> {
    let published = M::publish(&key, Some(&stored)).filter(|published| published.name == entity);
    let Some(published) = published else {
        let defect = format!("{key:?} of `{entity}` is not published as `{entity}`");
        return Err(Fault::internal("reading the snapshot", defect));
    };
    Ok(Change {
        sequence: stored.sequence,
        entity: entity.to_owned(),
        key: published.key,
        operation: Operation::Upsert.into(),
        value: Some(published.value),
        version: stored.version,
        commit_time: Some(timestamp::to_proto(stored.update_time)),
        ..Change::default()
    })
}

/// Collects whole commands until a size is reached.
struct Page {
    max_bytes: usize,
    /// The sequence that must come next.
    next: u64,
    records: Vec<Record>,
    bytes: usize,
    /// How many of `records` are whole commands.
    whole: usize,
    full: bool,
}

impl Page {
    fn new(after: u64, max_bytes: usize) -> Self {
        Self {
            max_bytes,
            next: after.saturating_add(1),
            records: Vec::new(),
            bytes: 0,
            whole: 0,
            full: false,
        }
    }

    /// Full as soon as a command is whole that exceeds the size, which stays out unless it is the first.
    fn push(&mut self, record: Record) {
        self.next += 1;
        self.bytes += record.change.encoded_len();
        let ends = record.change.last_in_command;
        self.records.push(record);
        // The second command that is too much need not be read to its end.
        self.full = self.bytes > self.max_bytes && (ends || self.whole > 0);
        if ends && (self.bytes <= self.max_bytes || self.whole == 0) {
            self.whole = self.records.len();
        }
    }

    fn finish(mut self) -> Vec<Record> {
        self.records.truncate(self.whole);
        self.records
    }
}
