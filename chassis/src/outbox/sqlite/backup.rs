//! How a store is backed up and restored.

use futures::FutureExt as _;

use super::{open::FILE, schema::MIGRATIONS};
use crate::backup::SqliteStore;

/// The service's own tables are its own: a later version of them is refused when it starts, as ever.
pub(in crate::outbox) static STORE: SqliteStore = SqliteStore {
    kind: "sqlite-outbox",
    file: FILE,
    newest_format: MIGRATIONS[MIGRATIONS.len() - 1].0 as u32,
    identity: "SELECT service, epoch, head_sequence, (SELECT max(version) FROM tributary_migrations)
               FROM tributary_log",
    renew: "UPDATE tributary_log SET epoch = ?1",
    prepare: |_| async { Ok(()) }.boxed(),
};
