//! The file that tells other processes the real ports, as nobody else can where port 0 was asked for.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::run::StartError;

/// Its name, in the data directory.
pub(crate) const FILE: &str = "address";

/// Where a server is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) grpc: SocketAddr,
    pub(super) admin: SocketAddr,
    /// Where it is not the first.
    pub(super) feed: Option<SocketAddr>,
}

impl Addresses {
    fn lines(self) -> String {
        let Self { grpc, admin, feed } = self;
        let feed = feed.map(|feed| format!("feed {feed}\n")).unwrap_or_default();
        format!("grpc {grpc}\nadmin {admin}\n{feed}")
    }
}

/// A line for each port: `grpc HOST:PORT`, `admin HOST:PORT`, and `feed HOST:PORT` where the change feed has
/// one of its own. Who reads it passes over lines that it does not know. Removed when dropped, that is, at
/// every end but an abort.
pub(super) struct AddressFile(PathBuf);

impl AddressFile {
    pub(super) fn write(directory: &Path, addresses: Addresses) -> Result<Self, StartError> {
        let path = directory.join(FILE);
        let draft = path.with_extension("new");
        // Renamed into place: a reader sees all of it or none.
        fs::write(&draft, addresses.lines())
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
