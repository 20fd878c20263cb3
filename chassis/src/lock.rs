//! One process per data directory: a lock that the kernel takes back when its holder dies, however it
//! dies, so that no start ever meets a stale one.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::occupant::Process;

/// Name of the lock's file. It stays behind; only the lock on it counts.
pub(crate) const FILE: &str = "lock";

/// The data directory is ours until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the data directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("data directory {} is in use by {}", directory.display(), holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    Held {
        /// Which directory.
        directory: PathBuf,
        /// Who, if it wrote itself down already.
        holder: Option<Process>,
    },
    /// The lock's file cannot be used.
    #[error("locking data directory {}", directory.display())]
    Io {
        /// Which directory.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Takes the data directory, which is created if it is not there, or says who has it.
pub fn acquire(directory: &Path) -> Result<Lock, LockError> {
    let failed = |source| LockError::Io { directory: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(failed)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(FILE))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(LockError::Held { directory: directory.to_owned(), holder: read(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    write(&mut file).map_err(failed)?;
    Ok(Lock { _file: file })
}

/// Who holds the data directory now, if anybody does.
pub fn holder(directory: &Path) -> Option<Process> {
    let mut file = File::open(directory.join(FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read(&mut file),
        _ => None,
    }
}

fn write(file: &mut File) -> io::Result<()> {
    let Process { pid, program } = Process::current();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{pid} {program}")
}

fn read(file: &mut File) -> Option<Process> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let (pid, program) = text.trim_end().split_once(' ')?;
    Some(Process { pid: pid.parse().ok()?, program: program.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let first = acquire(&path).unwrap();
        let error = acquire(&path).unwrap_err();
        let expected = format!("data directory {} is in use by {}", path.display(), Process::current());
        assert_eq!(error.to_string(), expected);
        assert_eq!(holder(&path), Some(Process::current()));
        drop(first);
        assert_eq!(holder(&path), None);
        acquire(&path).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        let error = acquire(&path.join("data")).unwrap_err();
        assert!(matches!(error, LockError::Io { .. }));
        assert!(error.to_string().contains("file/data"));
    }
}
