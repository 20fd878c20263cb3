//! What one process leaves for the next when a sync failed: after that the kernel may hold pages that it
//! believes clean and that never reached the disk, so that what can be read is no proof of what is there.
//! The next start writes the whole store anew, into new files, before it serves.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Its name in the data directory.
pub(crate) const FILE: &str = "unsynced";

/// The file that says: this store may not be durable.
#[derive(Clone, Debug)]
pub(crate) struct Marker {
    directory: PathBuf,
}

impl Marker {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Best effort: on a disk that is gone it fails too, and then the next start finds no store at all.
    pub(super) fn leave(&self, why: &str) -> io::Result<()> {
        let mut file = File::create(self.directory.join(FILE))?;
        writeln!(file, "A sync failed, so the next start rewrites the store: {why}")?;
        file.sync_all()?;
        sync_directory(&self.directory)
    }

    pub(crate) fn is_there(&self) -> io::Result<bool> {
        self.directory.join(FILE).try_exists()
    }

    /// Only once the rewritten store is durable under its name.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(self.directory.join(FILE))?;
        sync_directory(&self.directory)
    }
}

/// Makes the names in a directory durable: a file that was synced can still be missing without it.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes every file in a directory durable, and their names, but does not descend.
pub(super) fn sync_files(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(directory)
}
