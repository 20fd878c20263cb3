//! Taking a backup.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    BackupError, FileError, Identity, Manifest, Phase, Progress, Report, Snapshot, Store,
    error::failed,
    file::FileWriter,
    place::{find, names, parent, remove, sync},
    restore,
};
use crate::{
    lock::{self, Lock, LockError},
    outbox::{
        BoxError,
        marker::{Marker, sync_directory},
    },
};

/// Behind the name of the backup: the copy that a store may make, and the backup while it is written. They are ours,
/// and removed.
const LEFT: [&str; 2] = [".tributary-copy", ".tributary-partial"];

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is in the file.
    pub manifest: Manifest,
    /// Its size.
    pub bytes: u64,
}

/// Backs up the store in the data directory `from`, which is one of `stores`, to the new file `to`. A process
/// that owns it goes on, where that kind of store allows it.
///
/// Crash: there is no file `to` before it is complete and durable; what lies beside it may be left, and is
/// removed by the next attempt.
pub async fn backup(
    stores: &'static [&'static dyn Store],
    from: PathBuf,
    to: PathBuf,
    report: Arc<Report<'static>>,
) -> Result<Taken, BackupError> {
    let path = from.clone();
    let taking = tokio::task::spawn_blocking(move || take(stores, &from, &to, &*report));
    taking.await.map_err(failed("backing up", path))?
}

fn take(
    stores: &[&'static dyn Store],
    from: &Path,
    to: &Path,
    report: &Report<'_>,
) -> Result<Taken, BackupError> {
    let beside = Beside::new(to)?;
    let (store, _lock) = choose(stores, from)?;
    beside.clear()?;
    let written = write(store, &from.join(store.entry()), &beside, report);
    beside.end(written)
}

/// The new file, and what lies beside it until it has its name.
pub(super) struct Beside<'a> {
    to: &'a Path,
    copy: PathBuf,
    pub(super) partial: PathBuf,
}

impl<'a> Beside<'a> {
    pub(super) fn new(to: &'a Path) -> Result<Self, BackupError> {
        if fs::symlink_metadata(to).is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let [copy, partial] = LEFT.map(|suffix| {
            let mut name = to.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        });
        Ok(Self { to, copy, partial })
    }

    pub(super) fn clear(&self) -> Result<(), BackupError> {
        let cleared = remove(&self.copy).and_then(|()| remove(&self.partial));
        cleared.map_err(failed("removing what is left beside", self.to))
    }

    /// What the file says that it is.
    pub(super) fn manifest(&self, kind: &str, identity: Identity) -> Result<Manifest, BackupError> {
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::now_utc());
        let time = now.format(&Rfc3339).map_err(failed("telling the time of", self.to))?;
        let (kind, program) = (kind.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Ok(Manifest { kind, identity, time, program })
    }

    /// Gives the file its name, if it was written.
    pub(super) fn end(&self, written: Result<Taken, BackupError>) -> Result<Taken, BackupError> {
        let named = written.and_then(|taken| {
            let named = fs::rename(&self.partial, self.to).and_then(|()| sync_directory(&parent(self.to)));
            named.map_err(failed("giving its name to", self.to))?;
            Ok(taken)
        });
        // Also after a failure, whose reason is then told rather than that of the clearing.
        let cleared = self.clear();
        named.and_then(|taken| cleared.map(|()| taken))
    }
}

/// The store, and the data directory as ours if nobody has it. Then what a process that died left unsynced is made
/// durable before it is read.
fn choose(
    stores: &[&'static dyn Store],
    from: &Path,
) -> Result<(&'static dyn Store, Option<Lock>), BackupError> {
    // Before the lock, which would make the directory.
    fs::read_dir(from).map_err(failed("opening data directory", from))?;
    let lock = match lock::acquire(from) {
        Ok(lock) => {
            restore::finish(from)?;
            Ok(lock)
        }
        Err(held @ LockError::Held { .. }) => Err(held),
        Err(error) => return Err(error.into()),
    };
    // Such a store may also be on its way into another place.
    if Marker::new(from).is_there().map_err(failed("looking for a failed sync in", from))? {
        return Err(BackupError::Unsynced(from.to_owned()));
    }
    let store = find(stores, from)?;
    match lock {
        Ok(lock) => {
            let unsynced = names(from).and_then(|names| {
                let its = |name: &&String| name.starts_with(store.entry());
                names.iter().filter(its).try_for_each(|name| sync(&from.join(name)))
            });
            unsynced.map_err(failed("syncing the store in", from))?;
            Ok((store, Some(lock)))
        }
        Err(_) if store.readable_while_owned() => Ok((store, None)),
        Err(holder) => Err(BackupError::Owned { holder, kind: store.kind() }),
    }
}

/// Writes the store at `entry`.
fn write(
    store: &dyn Store,
    entry: &Path,
    beside: &Beside<'_>,
    report: &Report<'_>,
) -> Result<Taken, BackupError> {
    let mut snapshot = store.snapshot(entry, &beside.copy, report).map_err(failed("copying", entry))?;
    let manifest = beside.manifest(store.kind(), snapshot.identity().clone())?;
    let mut file = FileWriter::create(&beside.partial, &manifest)?;
    give(&mut *snapshot, &mut file, report).map_err(|error| match error.downcast::<FileError>() {
        // It says where by itself.
        Ok(error) => BackupError::File(*error),
        Err(error) => failed("reading", entry)(error),
    })?;
    Ok(Taken { manifest, bytes: file.finish()? })
}

fn give(snapshot: &mut dyn Snapshot, file: &mut FileWriter, report: &Report<'_>) -> Result<(), BoxError> {
    let total = snapshot.size();
    snapshot.give(&mut |chunk| {
        file.chunk(chunk)?;
        report(Progress { phase: Phase::Writing, bytes: file.bytes(), total });
        Ok(())
    })
}
