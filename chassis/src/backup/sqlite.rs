//! A store that is one SQLite file. `VACUUM INTO` copies it as of one moment, whoever writes to it; the chunks of a
//! backup are the bytes of that copy.
//!
//! The owner goes on meanwhile. Its WAL grows by what it writes in that time, since no checkpoint gets past a
//! reader.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    time::Duration,
};

use futures::future::BoxFuture;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{runtime::Handle, time::interval};

use super::{Chunks, FileError, Identity, Phase, Progress, Report, Snapshot, Store, file::create_private};
use crate::outbox::BoxError;

/// Of a file. Larger ones are no faster.
const CHUNK_BYTES: usize = 1 << 20;

/// For another process that changes the journal at that moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked how far the copy is.
const LOOK: Duration = Duration::from_millis(200);

/// A kind of store that is one SQLite file, by what is its own.
#[derive(Clone, Copy, Debug)]
pub struct SqliteStore {
    /// [`Store::kind`].
    pub kind: &'static str,
    /// Its name in the data directory.
    pub file: &'static str,
    /// [`Store::newest_format`].
    pub newest_format: u32,
    /// A statement with one row: service, epoch, head and format.
    pub identity: &'static str,
    /// A statement that gives it the epoch `?1`.
    pub renew: &'static str,
    /// Gives a connection what indexes and checks of the file use.
    pub prepare: fn(&mut SqliteConnection) -> BoxFuture<'_, Result<(), BoxError>>,
}

/// The copy of a database.
struct Copy {
    file: File,
    size: u64,
    identity: Identity,
}

impl SqliteStore {
    async fn connect(&self, path: &Path, read_only: bool) -> Result<SqliteConnection, BoxError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(read_only);
        let options = options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        let mut connection = options.connect().await?;
        (self.prepare)(&mut connection).await?;
        Ok(connection)
    }

    async fn read_identity(&self, connection: &mut SqliteConnection) -> Result<Identity, BoxError> {
        let row: (String, String, i64, i64) = sqlx::query_as(self.identity).fetch_one(connection).await?;
        let (service, epoch, head, format) = row;
        Ok(Identity { service, epoch, head: head.cast_unsigned(), format: u32::try_from(format)? })
    }

    async fn copy(&self, entry: &Path, scratch: &Path, report: &Report<'_>) -> Result<Copy, BoxError> {
        let mut connection = self.connect(entry, true).await?;
        let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let size: i64 = sqlx::query_scalar(size).fetch_one(&mut connection).await?;
        let total = Some(size.cast_unsigned());
        // An empty file is taken for a new one.
        create_private(scratch)?;
        let path = scratch.to_str().ok_or("the name of the backup is not UTF-8")?;
        let vacuum = sqlx::query("VACUUM INTO ?1").bind(path).execute(&mut connection);
        let watch = async {
            let mut looks = interval(LOOK);
            loop {
                looks.tick().await;
                let bytes = fs::metadata(scratch).map_or(0, |metadata| metadata.len());
                report(Progress { phase: Phase::Copying, bytes, total });
            }
        };
        tokio::select! {
            copied = vacuum => { copied?; }
            () = watch => {}
        }
        connection.close().await?;
        let mut copy = self.connect(scratch, true).await?;
        let identity = self.read_identity(&mut copy).await?;
        copy.close().await?;
        let file = File::open(scratch)?;
        Ok(Copy { size: file.metadata()?.len(), file, identity })
    }

    async fn renew(&self, entry: &Path, epoch: &str) -> Result<Identity, BoxError> {
        let mut connection = self.connect(entry, false).await?;
        check(&mut connection).await?;
        let identity = self.read_identity(&mut connection).await?;
        let renewed = sqlx::query(self.renew).bind(epoch).execute(&mut connection).await?;
        if renewed.rows_affected() != 1 {
            return Err("it has no epoch".into());
        }
        connection.close().await?;
        Ok(identity)
    }
}

impl Store for SqliteStore {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn entry(&self) -> &'static str {
        self.file
    }

    fn newest_format(&self) -> u32 {
        self.newest_format
    }

    fn readable_while_owned(&self) -> bool {
        true
    }

    fn identity(&self, entry: &Path) -> Result<Identity, BoxError> {
        Handle::current().block_on(async {
            let mut connection = self.connect(entry, true).await?;
            let identity = self.read_identity(&mut connection).await?;
            connection.close().await?;
            Ok(identity)
        })
    }

    fn snapshot(
        &self,
        entry: &Path,
        scratch: &Path,
        report: &Report<'_>,
    ) -> Result<Box<dyn Snapshot>, BoxError> {
        Ok(Box::new(Handle::current().block_on(self.copy(entry, scratch, report))?))
    }

    fn build(&self, entry: &Path, chunks: Chunks<'_>, epoch: &str) -> Result<Identity, BoxError> {
        let mut file = File::create_new(entry)?;
        for chunk in chunks {
            file.write_all(&chunk?)?;
        }
        drop(file);
        Handle::current().block_on(self.renew(entry, epoch))
    }
}

impl Snapshot for Copy {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn give(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<(), FileError>) -> Result<(), BoxError> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match self.file.read(&mut chunk)? {
                0 => return Ok(()),
                bytes => take(&chunk[..bytes])?,
            }
        }
    }
}

/// What could be read may still be wrong: better no store than a broken one.
pub(crate) async fn check(connection: &mut SqliteConnection) -> Result<(), BoxError> {
    let result: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(connection).await?;
    match result.as_str() {
        "ok" => Ok(()),
        _ => Err(format!("the store is corrupt: {result}").into()),
    }
}
