//! A data directory, by what lies in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{BackupError, Store, error::failed};
use crate::outbox::marker::sync_directory;

/// The one store that lies in `directory`; an error when it is none or several.
pub(super) fn find(
    stores: &[&'static dyn Store],
    directory: &Path,
) -> Result<&'static dyn Store, BackupError> {
    let list = |stores: &[&'static dyn Store]| {
        let names = stores.iter().map(|store| format!("{} ({})", store.entry(), store.kind()));
        names.collect::<Vec<_>>().join(", ")
    };
    match present(stores, directory)?.as_slice() {
        [store] => Ok(*store),
        [] => Err(BackupError::NoStore { directory: directory.to_owned(), expected: list(stores) }),
        found => Err(BackupError::Several { directory: directory.to_owned(), found: list(found) }),
    }
}

/// The stores that lie in `directory`.
pub(super) fn present(
    stores: &[&'static dyn Store],
    directory: &Path,
) -> Result<Vec<&'static dyn Store>, BackupError> {
    let there = |store: &&'static dyn Store| match directory.join(store.entry()).try_exists() {
        Ok(there) => there.then_some(Ok(*store)),
        Err(error) => Some(Err(failed("looking for a store in", directory)(error))),
    };
    stores.iter().filter_map(there).collect()
}

/// The names in a directory, in order.
pub(super) fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// The directory that holds `path`.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A file or a directory with all that is in it; that it is not there is as good.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a file or a directory durable, with all that is in it. Not its own name.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return fs::File::open(path)?.sync_all();
    }
    for entry in fs::read_dir(path)? {
        sync(&entry?.path())?;
    }
    sync_directory(path)
}
