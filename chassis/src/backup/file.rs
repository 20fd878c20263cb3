//! The file that a backup is. It says what it is before anything of it is used, and whether it is whole:
//!
//! ```text
//! tributary-backup 1 LF          what it is, and the version of this layout
//! {"kind":"…","service":"…",…} LF   what is in it: one line of JSON
//! length (4), bytes              content in chunks, numbers big-endian
//! 0 (4)                          the end of the content
//! SHA-256 (32)                   of all that is above
//! ```
//!
//! So `head -n 2` of the file tells people what they have. What the chunks mean is the kind's own.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const MAGIC: &str = "tributary-backup ";

/// The version of the layout above.
const VERSION: u32 = 1;

/// No chunk is larger, so that a damaged length cannot ask for all memory.
const CHUNK_LIMIT: usize = 8 << 20;

/// Far more than the first two lines have.
const LINE_LIMIT: u64 = 4_096;

const SHA256_BYTES: usize = 32;

/// What is in a backup: the second line of its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which kind of store, by [`Store::kind`](super::Store::kind).
    pub kind: String,
    /// What the store says of itself.
    #[serde(flatten)]
    pub identity: Identity,
    /// When it was taken, in RFC 3339.
    pub time: String,
    /// The version of the program that wrote it.
    pub program: String,
}

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Whose it is, as in its positions.
    pub service: String,
    /// Which history.
    pub epoch: String,
    /// Up to where.
    pub head: u64,
    /// The version of the store's own layout.
    pub format: u32,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, epoch, head, format } = self;
        write!(f, "{service}/{epoch}/{head} in format {format}")
    }
}

/// Why a file is not taken for a backup.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{} cannot be {what}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no backup that `tributary backup` has written", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error("{} is a backup in layout {found}, this program reads layout {VERSION}: use the program that wrote it", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its layout.
        found: String,
    },
    /// Its end is missing.
    #[error("{} is torn: it ends after {bytes} bytes, within the backup; it was not copied whole", path.display())]
    Torn {
        /// Which file.
        path: PathBuf,
        /// How many there are.
        bytes: u64,
    },
    /// It is not as it was written.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What does not hold.
        why: String,
    },
}

fn io_error(path: &Path, what: &'static str) -> impl Fn(io::Error) -> FileError {
    move |source| FileError::Io { path: path.to_owned(), what, source }
}

/// Writes a backup. Without [`FileWriter::finish`] the file is torn, and says so.
pub(super) struct FileWriter {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl FileWriter {
    pub(super) fn create(path: &Path, manifest: &Manifest) -> Result<Self, FileError> {
        let file = create_private(path).map_err(io_error(path, "created"))?;
        let mut writer =
            Self { path: path.to_owned(), file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
        let manifest = serde_json::to_string(manifest)
            .map_err(|error| io_error(path, "written")(io::Error::other(error)))?;
        writer.write(format!("{MAGIC}{VERSION}\n{manifest}\n").as_bytes())?;
        Ok(writer)
    }

    /// Of at least one byte and at most [`CHUNK_LIMIT`].
    pub(super) fn chunk(&mut self, chunk: &[u8]) -> Result<(), FileError> {
        if !(1..=CHUNK_LIMIT).contains(&chunk.len()) {
            let why = format!("a chunk may have 1 to {CHUNK_LIMIT} bytes, not {}", chunk.len());
            return Err(io_error(&self.path, "written")(io::Error::other(why)));
        }
        self.write(&(chunk.len() as u32).to_be_bytes())?;
        self.write(chunk)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the content, and makes the file durable.
    pub(super) fn finish(mut self) -> Result<u64, FileError> {
        self.write(&0_u32.to_be_bytes())?;
        let sum = self.hash.clone().finalize();
        self.write(&sum)?;
        let failed = io_error(&self.path, "written");
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(self.bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(io_error(&self.path, "written"))
    }
}

/// A new file that its owner alone can read: whatever the store is protected by, the backup must not be open to all.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path)
}

/// Reads a backup from front to back.
pub(super) struct FileReader {
    path: PathBuf,
    file: BufReader<File>,
    hash: Sha256,
    bytes: u64,
    pub(super) manifest: Manifest,
    /// Of the whole file.
    pub(super) size: u64,
    ended: bool,
}

impl FileReader {
    /// Reads what the file says of itself.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let failed = io_error(path, "read");
        let file = File::open(path).map_err(&failed)?;
        let size = file.metadata().map_err(&failed)?.len();
        let (mut file, mut hash) = (BufReader::new(file), Sha256::new());
        let first = line(&mut file).map_err(&failed)?;
        let foreign = || FileError::Foreign { path: path.to_owned() };
        if !first.starts_with(MAGIC.as_bytes()) {
            // Of one that ends within its first line it cannot be told more.
            return Err(foreign());
        }
        let torn = |bytes| FileError::Torn { path: path.to_owned(), bytes };
        let Some(version) = first.strip_suffix(b"\n") else { return Err(torn(size)) };
        let found = String::from_utf8_lossy(&version[MAGIC.len()..]).into_owned();
        if found != VERSION.to_string() {
            return Err(FileError::Version { path: path.to_owned(), found });
        }
        let second = line(&mut file).map_err(&failed)?;
        if second.last() != Some(&b'\n') && (second.len() as u64) < LINE_LIMIT {
            return Err(torn(size));
        }
        let manifest = serde_json::from_slice(&second).map_err(|error| FileError::Damaged {
            path: path.to_owned(),
            why: format!("what it says of itself cannot be read: {error}"),
        })?;
        hash.update(&first);
        hash.update(&second);
        let bytes = (first.len() + second.len()) as u64;
        Ok(Self { path: path.to_owned(), file, hash, bytes, manifest, size, ended: false })
    }

    /// The next chunk; none behind the last, once all of them were what was written.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        if self.ended {
            return Ok(None);
        }
        let length = u32::from_be_bytes(self.read()?) as usize;
        if length > CHUNK_LIMIT {
            return Err(self.damaged(&format!("a chunk of it would have {length} bytes")));
        }
        if length == 0 {
            self.end()?;
            return Ok(None);
        }
        let mut chunk = vec![0; length];
        self.fill(&mut chunk)?;
        Ok(Some(chunk))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn end(&mut self) -> Result<(), FileError> {
        let expected = <[u8; SHA256_BYTES]>::from(self.hash.clone().finalize());
        if self.read::<SHA256_BYTES>()? != expected {
            return Err(self.damaged("its content is not what its checksum says"));
        }
        if !self.file.fill_buf().map_err(io_error(&self.path, "read"))?.is_empty() {
            return Err(self.damaged("it goes on behind its end"));
        }
        self.ended = true;
        Ok(())
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N], FileError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), FileError> {
        self.file.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => FileError::Torn { path: self.path.clone(), bytes: self.size },
            _ => io_error(&self.path, "read")(error),
        })?;
        self.hash.update(&*bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn damaged(&self, why: &str) -> FileError {
        FileError::Damaged { path: self.path.clone(), why: why.to_owned() }
    }
}

/// A line with its end, or what there is up to the limit.
fn line(file: &mut BufReader<File>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests;
