//! How a store is backed up and restored: all trees, row by row. sled can be opened by one process at a time, so
//! that a backup is of a store that nobody writes to.

use std::path::{Path, PathBuf};

use ::sled::{Batch, Db};
use prost::Message as _;

use super::{
    layout::{LOG, LogRow, Trees, leading_number},
    open::{COPY_CHUNK, DATA_FILE, DIRECTORY, database, released},
};
use crate::{
    backup::{Chunks, FileError, Identity, Report, Snapshot, Store},
    outbox::store::BoxError,
};

/// Of the key space: a contract, as [`layout`](super::layout) is.
const FORMAT: u32 = 1;

/// A chunk of a backup.
#[derive(Clone, PartialEq, prost::Message)]
struct Rows {
    /// The name of the tree.
    #[prost(bytes = "vec", tag = "1")]
    tree: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    rows: Vec<Row>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Row {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The kind of store.
pub(in crate::outbox) struct SledStore;

pub(in crate::outbox) static STORE: SledStore = SledStore;

/// A store that is open, and that nobody writes to.
struct Open {
    db: Db,
    identity: Identity,
    /// Dropped behind `db`.
    _release: Release,
}

/// Waits until sled has let go of the store that is this directory.
struct Release(PathBuf);

impl Store for SledStore {
    fn kind(&self) -> &'static str {
        "sled-outbox"
    }

    fn entry(&self) -> &'static str {
        DIRECTORY
    }

    fn newest_format(&self) -> u32 {
        FORMAT
    }

    fn readable_while_owned(&self) -> bool {
        false
    }

    fn identity(&self, entry: &Path) -> Result<Identity, BoxError> {
        Ok(Open::of(entry)?.identity.clone())
    }

    fn snapshot(&self, entry: &Path, _: &Path, _: &Report<'_>) -> Result<Box<dyn Snapshot>, BoxError> {
        Ok(Box::new(Open::of(entry)?))
    }

    fn build(&self, entry: &Path, chunks: Chunks<'_>, epoch: &str) -> Result<Identity, BoxError> {
        let built = fill(entry, chunks, epoch);
        // sled's threads outlive the last handle by a moment.
        released(&entry.join(DATA_FILE))?;
        built
    }
}

fn fill(entry: &Path, chunks: Chunks<'_>, epoch: &str) -> Result<Identity, BoxError> {
    let db = database(entry, false)?;
    for chunk in chunks {
        let Rows { tree, rows } = Rows::decode(chunk?.as_slice())?;
        let mut batch = Batch::default();
        rows.into_iter().for_each(|Row { key, value }| batch.insert(key, value));
        db.open_tree(tree)?.apply_batch(batch)?;
    }
    let trees = Trees::new(db)?;
    let mut log = read_log(&trees)?;
    let identity = identity(&log);
    epoch.clone_into(&mut log.epoch);
    trees.meta.insert(LOG, log.encode_to_vec())?;
    trees.db.flush()?;
    Ok(identity)
}

/// The log's row, of a store that has the changes that it tells of.
fn read_log(trees: &Trees) -> Result<LogRow, BoxError> {
    let log = trees.meta.get(LOG)?.ok_or("it has no log")?;
    let log = LogRow::decode(log.as_ref())?;
    let last = trees.outbox.last()?.map(|(key, _)| leading_number(&key)).transpose()?;
    match last.unwrap_or(log.oldest_sequence) {
        last if last == log.head_sequence => Ok(log),
        last => Err(format!("its last change is {last}, its head is {}", log.head_sequence).into()),
    }
}

fn identity(log: &LogRow) -> Identity {
    let LogRow { service, epoch, head_sequence, .. } = log.clone();
    Identity { service, epoch, head: head_sequence, format: FORMAT }
}

impl Open {
    fn of(entry: &Path) -> Result<Self, BoxError> {
        let trees = Trees::new(database(entry, false)?)?;
        let identity = identity(&read_log(&trees)?);
        Ok(Self { db: trees.db, identity, _release: Release(entry.to_owned()) })
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        // The data directory is unlocked behind this. Should sled not let go in time, whoever opens the store next
        // waits as well, and says so.
        let _ = released(&self.0.join(DATA_FILE));
    }
}

impl Snapshot for Open {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn size(&self) -> Option<u64> {
        // What sled has on disk is several times what is in it.
        None
    }

    fn give(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<(), FileError>) -> Result<(), BoxError> {
        for name in self.db.tree_names() {
            let tree = self.db.open_tree(&name)?;
            let mut rows = tree.iter().peekable();
            while rows.peek().is_some() {
                let mut chunk = Rows { tree: name.to_vec(), rows: Vec::with_capacity(COPY_CHUNK) };
                for row in rows.by_ref().take(COPY_CHUNK) {
                    let (key, value) = row?;
                    chunk.rows.push(Row { key: key.to_vec(), value: value.to_vec() });
                }
                take(&chunk.encode_to_vec())?;
            }
        }
        Ok(())
    }
}
