//! Restoring a backup, so that a crash leaves the old store or the new one.
//!
//! ```text
//! check the file -> lock the directory -> build in `restore.partial` -> sync it
//!   -> rename it to `restore.ready`: from here on the new store is the one
//!   -> remove what the old one left -> move the new one to its place -> remove `restore.ready`
//! ```
//!
//! Crash: before the rename, the old store is as it was; `restore.partial` is nothing but space, and removed by the
//! next who locks the directory to restore or to start. Behind it, whoever locks the directory next [`finish`]es what was
//! begun, before it looks for a store. So the old store may be removed before the new one is in its place, and a
//! WAL of the old one can never be taken for one of the new.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    BackupError, Manifest, Phase, Progress, Report, Store,
    error::failed,
    file::FileReader,
    place::{names, parent, present, remove, sync},
    postgres,
};
use crate::{
    lock,
    outbox::marker::{self, sync_directory},
    server::address,
};

/// The store while it is built.
const PARTIAL: &str = "restore.partial";
/// The store when it is complete and durable: it is the one, wherever the crash comes.
const READY: &str = "restore.ready";

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What is in the backup.
    pub manifest: Manifest,
    /// Which history it is from here on.
    pub epoch: String,
}

/// A point between two steps, at which a test can have the process die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Step {
    /// The backup is whole; nothing was touched.
    Checked,
    /// The directory is ours, and may be written to.
    Admitted,
    /// The store is built, perhaps not durable.
    Built,
    /// And durable.
    Synced,
    /// It is the one.
    Ready,
    /// Nothing is left of the old one.
    Cleared,
    /// It is in its place.
    Placed,
}

/// Asked between two steps; an error ends it there.
pub(crate) type Steps<'a> = dyn Fn(Step) -> io::Result<()> + Send + Sync + 'a;

/// Restores the backup `from`, of one of `stores`, into the data directory `to`, which is empty or, with `replace`,
/// may hold a store of the same service. Nobody may use it meanwhile.
pub async fn restore(
    stores: &'static [&'static dyn Store],
    from: PathBuf,
    to: PathBuf,
    replace: bool,
    report: Arc<Report<'static>>,
) -> Result<Restored, BackupError> {
    let path = to.clone();
    let restoring = move || restore_with(stores, (&from, &to), replace, &*report, &|_| Ok(()));
    tokio::task::spawn_blocking(restoring).await.map_err(failed("restoring", path))?
}

pub(crate) fn restore_with(
    stores: &[&'static dyn Store],
    (from, to): (&Path, &Path),
    replace: bool,
    report: &Report<'_>,
    steps: &Steps<'_>,
) -> Result<Restored, BackupError> {
    let step = |step| steps(step).map_err(failed("restoring", to));
    let store = check(stores, from, report)?;
    step(Step::Checked)?;
    let is_new = !to.exists();
    let _lock = lock::acquire(to)?;
    if is_new {
        sync_directory(&parent(to)).map_err(failed("making", to))?;
    }
    finish_with(to, steps)?;
    admit(stores, store, from, to, replace)?;
    step(Step::Admitted)?;
    let restored = build(store, from, to, report).inspect_err(|_| {
        // Only the space is missed, and whoever locks the directory next tries again.
        let _ = remove(&to.join(PARTIAL));
    })?;
    step(Step::Built)?;
    let ready = || -> io::Result<()> {
        sync(&to.join(PARTIAL))?;
        steps(Step::Synced)?;
        fs::rename(to.join(PARTIAL), to.join(READY))?;
        sync_directory(to)
    };
    ready().map_err(failed("making durable what was restored into", to))?;
    step(Step::Ready)?;
    finish_with(to, steps)?;
    Ok(restored)
}

/// Whether the file is whole, and of a store that can be used here.
fn check(
    stores: &[&'static dyn Store],
    from: &Path,
    report: &Report<'_>,
) -> Result<&'static dyn Store, BackupError> {
    let mut file = FileReader::open(from)?;
    let Manifest { kind, identity, .. } = &file.manifest;
    let unknown = || {
        let (path, kind) = (from.to_owned(), kind.clone());
        if postgres::is_kind(&kind) {
            return BackupError::Elsewhere { path, kind, place: "database" };
        }
        BackupError::Kind { path, kind }
    };
    let store = *stores.iter().find(|store| store.kind() == kind).ok_or_else(unknown)?;
    if identity.format > store.newest_format() {
        return Err(BackupError::Format {
            path: from.to_owned(),
            kind: store.kind(),
            found: identity.format,
            newest: store.newest_format(),
        });
    }
    while file.next()?.is_some() {
        report(Progress { phase: Phase::Checking, bytes: file.bytes(), total: Some(file.size) });
    }
    Ok(store)
}

/// Whether the store may be put into the directory, which is ours.
fn admit(
    stores: &[&'static dyn Store],
    store: &dyn Store,
    from: &Path,
    to: &Path,
    replace: bool,
) -> Result<(), BackupError> {
    let mut found = names(to).map_err(failed("looking into", to))?;
    // What a process leaves that ended, however it did.
    found.retain(|name| name != lock::FILE && name != address::FILE);
    if found.is_empty() {
        return Ok(());
    }
    if !replace {
        return Err(BackupError::NotEmpty { directory: to.to_owned(), found: found.join(", ") });
    }
    let manifest = FileReader::open(from)?.manifest;
    let another = |found: String| BackupError::Another {
        directory: to.to_owned(),
        found,
        backup: format!("the {} of `{}`", manifest.kind, manifest.identity.service),
    };
    for there in present(stores, to)? {
        if there.kind() != store.kind() {
            return Err(another(format!("a {}", there.kind())));
        }
        // One that cannot be read is what a restore is for. sled may panic on it.
        let identity = catch_unwind(AssertUnwindSafe(|| there.identity(&to.join(there.entry()))));
        if let Ok(Ok(identity)) = identity
            && identity.service != manifest.identity.service
        {
            return Err(another(format!("the {} of `{}`", there.kind(), identity.service)));
        }
    }
    Ok(())
}

/// Makes the store, beside whatever is there.
fn build(store: &dyn Store, from: &Path, to: &Path, report: &Report<'_>) -> Result<Restored, BackupError> {
    let partial = to.join(PARTIAL);
    fs::create_dir(&partial).map_err(failed("creating", &partial))?;
    let mut file = FileReader::open(from)?;
    let manifest = file.manifest.clone();
    let mut chunks = std::iter::from_fn(|| {
        let chunk = file.next().transpose()?;
        report(Progress { phase: Phase::Building, bytes: file.bytes(), total: Some(file.size) });
        Some(chunk)
    });
    let epoch = uuid::Uuid::new_v4().simple().to_string();
    let built = store.build(&partial.join(store.entry()), &mut chunks, &epoch);
    let found = built.map_err(failed("building a store in", &partial))?;
    if found != manifest.identity {
        return Err(BackupError::Mismatch {
            path: from.to_owned(),
            said: manifest.identity.to_string(),
            found: found.to_string(),
        });
    }
    Ok(Restored { manifest, epoch })
}

/// Ends what a restore began that a crash cut short. Whoever has locked the data directory does this before it looks
/// for its store.
pub fn finish(directory: &Path) -> Result<(), BackupError> {
    finish_with(directory, &|_| Ok(()))
}

fn finish_with(directory: &Path, steps: &Steps<'_>) -> Result<(), BackupError> {
    let place = || -> io::Result<()> {
        remove(&directory.join(PARTIAL))?;
        let ready = directory.join(READY);
        if !ready.try_exists()? {
            return Ok(());
        }
        // Empty if the crash came behind the last move.
        for entry in names(&ready)? {
            for old in names(directory)?.iter().filter(|name| belongs_to(&entry, name)) {
                remove(&directory.join(old))?;
            }
            sync_directory(directory)?;
            steps(Step::Cleared)?;
            fs::rename(ready.join(&entry), directory.join(&entry))?;
            sync_directory(directory)?;
            steps(Step::Placed)?;
        }
        fs::remove_dir(&ready)?;
        sync_directory(directory)
    };
    place().map_err(failed("putting into its place what was restored into", directory))
}

/// Whether a name in the data directory is of the store that is `entry`: it itself, its journals (`store.db-wal`), what a
/// rewrite left (`store.rewritten`), and the mark that it has to be rewritten.
fn belongs_to(entry: &str, name: &str) -> bool {
    let of_it = |rest: &str| rest.is_empty() || rest.starts_with(['-', '.']);
    name == marker::FILE || name.strip_prefix(entry).is_some_and(of_it)
}
