//! Taking a backup.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    BackupError, FileError, Manifest, Phase, Progress, Report, Snapshot, Store,
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
/// Crash: there is no file `to` before it is complete and durable; the names of [`LEFT`] behind it may be left, and are
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
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let (store, _lock) = choose(stores, from)?;
    let [copy, partial] = LEFT.map(|suffix| {
        let mut name = to.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    let clear = || {
        let cleared = remove(&copy).and_then(|()| remove(&partial));
        cleared.map_err(failed("removing what is left beside", to))
    };
    clear()?;
    let written = write(store, &from.join(store.entry()), (&copy, &partial), report);
    let named = written.and_then(|taken| {
        let named = fs::rename(&partial, to).and_then(|()| sync_directory(&parent(to)));
        named.map_err(failed("giving its name to", to))?;
        Ok(taken)
    });
    // Also after a failure, whose reason is then told rather than that of the clearing.
    let cleared = clear();
    named.and_then(|taken| cleared.map(|()| taken))
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

/// Writes the store at `entry` to `partial`, by way of `copy`.
fn write(
    store: &dyn Store,
    entry: &Path,
    (copy, partial): (&Path, &Path),
    report: &Report<'_>,
) -> Result<Taken, BackupError> {
    let mut snapshot = store.snapshot(entry, copy, report).map_err(failed("copying", entry))?;
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::now_utc());
    let manifest = Manifest {
        kind: store.kind().to_owned(),
        identity: snapshot.identity().clone(),
        time: now.format(&Rfc3339).map_err(failed("telling the time of", partial))?,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut file = FileWriter::create(partial, &manifest)?;
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
