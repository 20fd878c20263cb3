//! The file that tells other processes the real ports, as nobody else can where port 0 was asked for.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::run::StartError;

/// Its name, in the data directory.
const FILE: &str = "address";

/// Two lines, `grpc HOST:PORT` and `admin HOST:PORT`. Removed when dropped, that is, at every end but an
/// abort.
pub(super) struct AddressFile(PathBuf);

impl AddressFile {
    pub(super) fn write(directory: &Path, grpc: SocketAddr, admin: SocketAddr) -> Result<Self, StartError> {
        let path = directory.join(FILE);
        let draft = path.with_extension("new");
        // Renamed into place: a reader sees all of it or none.
        fs::write(&draft, format!("grpc {grpc}\nadmin {admin}\n"))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|e| StartError::new(format!("writing {}", path.display()), e))?;
        Ok(Self(path))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the address file stays behind");
        }
    }
}
