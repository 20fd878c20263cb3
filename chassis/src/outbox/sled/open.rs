//! Opening a database so that everything in it is durable, and writing it anew after a failed sync.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ::sled::{Batch, Config, Db};
use prost::Message as _;

use super::{
    Sled, SledTables,
    layout::{LOG, LogRow, Trees},
    read::SledReader,
    write::SledBackend,
};
use crate::outbox::{
    hooks::Hooks,
    marker::{sync_directory, sync_files},
    open::{Embedded, Kind, Opened, OutboxOptions},
    store::BoxError,
};

pub(super) const DIRECTORY: &str = "store";
/// The copy while it is made; never the only one.
const REWRITTEN: &str = "store.rewritten";
/// The original while the copy takes its place.
const REPLACED: &str = "store.replaced";

/// The file in sled's directory that holds the data.
pub(super) const DATA_FILE: &str = "db";

/// How long sled may take to let go of its file.
const RELEASE: Duration = Duration::from_secs(5);

/// A page above a quarter of a segment would become a file that is never synced. A page is split when it
/// holds more than 16 values of 16 KiB; with what a merge may add that stays below 512 KiB.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// sled's own default is a gigabyte.
const CACHE_BYTES: u64 = 128 * 1024 * 1024;

/// Rows of a copy that are written at once.
pub(super) const COPY_CHUNK: usize = 256;

impl<T: SledTables> Embedded<T::Model> for Sled<T> {
    async fn rewrite(options: &OutboxOptions) -> Result<(), BoxError> {
        let directory = options.data_dir.clone();
        tokio::task::spawn_blocking(move || rewrite(&directory)).await?
    }
}

impl<T: SledTables> Kind<T::Model> for Sled<T> {
    type Backend = SledBackend<T>;

    async fn open(
        options: &OutboxOptions,
        new_epoch: &str,
        hooks: &Hooks,
    ) -> Result<Opened<T::Model, Self::Backend>, BoxError> {
        let (directory, background_flush) = (options.data_dir.clone(), hooks.background_flush());
        let new =
            LogRow { service: options.service.clone(), epoch: new_epoch.to_owned(), ..LogRow::default() };
        let open = move || open(&directory, &new, background_flush);
        let (trees, file, log) = tokio::task::spawn_blocking(open).await??;
        Ok(Opened {
            head: log.head(),
            service: log.service,
            epoch: log.epoch,
            reader: Arc::new(SledReader::<T>::new(trees.clone())),
            backend: SledBackend::new(trees, file),
        })
    }
}

fn open(data_dir: &Path, new: &LogRow, background_flush: bool) -> Result<(Trees, File, LogRow), BoxError> {
    let directory = data_dir.join(DIRECTORY);
    let trees = Trees::new(database(&directory, background_flush)?)?;
    let log = match trees.meta.get(LOG)? {
        Some(log) => LogRow::decode(log.as_ref())?,
        None => {
            trees.meta.insert(LOG, new.encode_to_vec())?;
            new.clone()
        }
    };
    let file = File::open(directory.join(DATA_FILE))?;
    trees.db.flush()?;
    file.sync_data()?;
    sync_files(&directory)?;
    sync_directory(data_dir)?;
    Ok((trees, file, log))
}

pub(super) fn database(directory: &Path, background_flush: bool) -> Result<Db, BoxError> {
    released(&directory.join(DATA_FILE))?;
    // The flusher also collects garbage, so a store that serves needs it.
    let flush_every_ms = background_flush.then_some(500);
    let config = Config::new().path(directory).segment_size(SEGMENT_BYTES).cache_capacity(CACHE_BYTES);
    Ok(config.flush_every_ms(flush_every_ms).open()?)
}

/// Waits until sled's threads have let go of the file, which they do a moment after the last handle was
/// dropped: a rewrite opens what it has just closed. Nobody else can hold it, since the data directory is
/// locked by us.
pub(super) fn released(file: &Path) -> io::Result<()> {
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let end = Instant::now() + RELEASE;
    loop {
        match file.try_lock() {
            // Closing the file gives the lock back.
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("sled did not let go of its file")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn rewrite(data_dir: &Path) -> Result<(), BoxError> {
    let [old, new, replaced] = [DIRECTORY, REWRITTEN, REPLACED].map(|name| data_dir.join(name));
    if !old.try_exists()? && replaced.try_exists()? {
        // A crash came between the two renames below. The copy may be good, the original is.
        fs::rename(&replaced, &old)?;
    }
    if !old.try_exists()? {
        return Ok(());
    }
    remove(&new)?;
    remove(&replaced)?;
    copy(&old, &new)?;
    sync_files(&new)?;
    sync_directory(data_dir)?;
    fs::rename(&old, &replaced)?;
    fs::rename(&new, &old)?;
    sync_directory(data_dir)?;
    remove(&replaced)?;
    Ok(())
}

fn copy(old: &Path, new: &Path) -> Result<(), BoxError> {
    let old = database(old, false)?;
    let new = database(new, false)?;
    for name in old.tree_names() {
        let (from, to) = (old.open_tree(&name)?, new.open_tree(&name)?);
        let mut rows = from.iter().peekable();
        while rows.peek().is_some() {
            let mut batch = Batch::default();
            for row in rows.by_ref().take(COPY_CHUNK) {
                let (key, value) = row?;
                batch.insert(key, value);
            }
            to.apply_batch(batch)?;
        }
    }
    new.flush()?;
    Ok(())
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
