//! Why a backup or a restore was not made.

use std::path::PathBuf;

use super::FileError;
use crate::{lock::LockError, outbox::BoxError};

/// Why a backup or a restore was not made. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The backup's file is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A backup replaces nothing.
    #[error("{} is there already: give the backup another name", .0.display())]
    Exists(PathBuf),
    /// There is nothing to back up.
    #[error("there is no store in {}: expected one of {expected}", directory.display())]
    NoStore {
        /// Where.
        directory: PathBuf,
        /// What would be one.
        expected: String,
    },
    /// Several stores are no data directory of one process.
    #[error("{} holds several stores: {found}", directory.display())]
    Several {
        /// Where.
        directory: PathBuf,
        /// Which.
        found: String,
    },
    /// What is read of it may not be durable.
    #[error(
        "the last sync of the store in {} failed: start what owns it, which writes it anew, then back it up",
        .0.display()
    )]
    Unsynced(PathBuf),
    /// A store that only its owner can read.
    #[error("{holder}, and a {kind} can be read by one process alone: stop it, then back it up")]
    Owned {
        /// Who has it.
        holder: LockError,
        /// Which kind it is.
        kind: &'static str,
    },
    /// The data directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// This program has no such store.
    #[error("{} is a backup of a `{kind}`, which this program does not know", path.display())]
    Kind {
        /// Which file.
        path: PathBuf,
        /// What is in it.
        kind: String,
    },
    /// It is of another sort than where it is to be put.
    #[error("{} is a backup of a `{kind}`: restore it into a {place}", path.display())]
    Elsewhere {
        /// Which file.
        path: PathBuf,
        /// What is in it.
        kind: String,
        /// What it belongs into.
        place: &'static str,
    },
    /// The database is in use.
    #[error("{} has {sessions} sessions open: stop all instances of its service, then restore it", database.display())]
    DatabaseInUse {
        /// Which.
        database: PathBuf,
        /// How many.
        sessions: i64,
    },
    /// A later program wrote the store.
    #[error(
        "{} has a {kind} of format {found}, this program uses formats up to {newest}: use the program that \
         wrote it",
        path.display()
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is in it.
        kind: &'static str,
        /// Its format.
        found: u32,
        /// What is known here.
        newest: u32,
    },
    /// Something is there, and was not said to be replaced.
    #[error("{} is not empty, it has {found}: give an empty one, or --replace", directory.display())]
    NotEmpty {
        /// Where.
        directory: PathBuf,
        /// What is there.
        found: String,
    },
    /// What would be replaced is another's.
    #[error("{} holds {found}, the backup is of {backup}: give another one", directory.display())]
    Another {
        /// Where.
        directory: PathBuf,
        /// Whose store is there.
        found: String,
        /// Whose store is in the backup.
        backup: String,
    },
    /// The content is whole, and not what the file says that it is.
    #[error("{} says that it is {said}, and is {found}", path.display())]
    Mismatch {
        /// Which file.
        path: PathBuf,
        /// By its manifest.
        said: String,
        /// By its content.
        found: String,
    },
    /// A step failed.
    #[error("{step} {}", path.display())]
    Failed {
        /// What was tried.
        step: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it is not possible.
        source: BoxError,
    },
}

/// Says which step failed, and with what.
pub(super) fn failed<E: Into<BoxError>>(
    step: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(E) -> BackupError {
    let path = path.into();
    move |source| BackupError::Failed { step, path, source: source.into() }
}
