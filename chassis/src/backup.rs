//! Backup and restore of a store that lies in a data directory, or in a database.
//!
//! **A backup** is one file ([`Manifest`] says what is in it), written under another name, synced, and only then
//! given its own. It holds nothing that a crash could still take back: SQLite's readers see a commit after its
//! WAL was synced, and what a process that died left unsynced is synced first; a store on sled is only read
//! while no process has it.
//!
//! **A restore** checks the whole file before it touches anything, builds the store beside the place where it will be,
//! and puts it there in a way that a crash leaves the old store or the new one ([`restore`](mod@restore)).
//!
//! **The epoch.** A restored store has lost what was written since, and will write other changes under the same
//! numbers. So it is given a new epoch: whoever follows it is told `HISTORY_DIVERGED`, also who was not as far as
//! the backup, and positions that callers hold are refused and not mistaken for ones of the new history. Up to its head
//! the history itself stays: sequences, digests, replies and followed positions.

mod error;
mod file;
mod place;
mod postgres;
pub mod restore;
mod sqlite;
mod take;

use std::path::Path;

pub(crate) use self::sqlite::check;
pub use self::{
    error::BackupError,
    file::{FileError, Identity, Manifest},
    postgres::{PostgresStore, backup_database, restore_database},
    restore::{Restored, restore},
    sqlite::SqliteStore,
    take::{Taken, backup},
};
use crate::outbox::BoxError;

/// A kind of store, by how it is taken out of a data directory and put back. Blocks, inside of a runtime.
pub trait Store: Send + Sync {
    /// Its name in backups: a contract.
    fn kind(&self) -> &'static str;

    /// The file or directory in the data directory that it is.
    fn entry(&self) -> &'static str;

    /// The newest version of its layout that this program can use.
    fn newest_format(&self) -> u32;

    /// Whether it can be read while the process that owns it writes.
    fn readable_while_owned(&self) -> bool;

    /// What the store at `entry`, which nobody else has, says of itself.
    fn identity(&self, entry: &Path) -> Result<Identity, BoxError>;

    /// Takes what is durable of the store at `entry`, as of one moment. `scratch` may be used for a file
    /// meanwhile.
    fn snapshot(
        &self,
        entry: &Path,
        scratch: &Path,
        report: &Report<'_>,
    ) -> Result<Box<dyn Snapshot>, BoxError>;

    /// Makes the store of `chunks` at `entry`, where nothing is, checks that it is whole, and gives it the
    /// epoch. What it said of itself before that is returned.
    fn build(&self, entry: &Path, chunks: Chunks<'_>, epoch: &str) -> Result<Identity, BoxError>;
}

/// What a store was at one moment.
pub trait Snapshot {
    /// What it said of itself.
    fn identity(&self) -> &Identity;

    /// About how many bytes it has, if that is known.
    fn size(&self) -> Option<u64>;

    /// Gives its content, in the chunks of which [`Store::build`] makes it.
    fn give(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<(), FileError>) -> Result<(), BoxError>;
}

/// The content of a backup, in order.
pub type Chunks<'a> = &'a mut dyn Iterator<Item = Result<Vec<u8>, FileError>>;

/// Told how far it is.
pub type Report<'a> = dyn Fn(Progress) + Send + Sync + 'a;

/// How far a backup or a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub phase: Phase,
    /// So many bytes of it are.
    pub bytes: u64,
    /// Of so many, about; none if that is not known.
    pub total: Option<u64>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The store is copied, as it was at one moment.
    Copying,
    /// The backup is written.
    Writing,
    /// The backup is checked.
    Checking,
    /// The store is made of it.
    Building,
}
