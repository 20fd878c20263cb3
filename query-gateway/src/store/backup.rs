//! How the store is backed up and restored.
//!
//! A restored store has a new epoch: commits of the gateway that were made since the backup are no more, and others will
//! have their numbers. The positions of the sources are in it, so that what they published since is applied again; where
//! a source does not keep that any more, or was restored itself, a snapshot is taken.

use futures::FutureExt as _;
use tributary_chassis::backup::{self, PostgresStore, SqliteStore};

use super::open::{FILE, FORMAT, POSTGRES_FORMAT};

/// The kinds of store that a gateway can have, for backup and restore.
pub static STORES: [&dyn backup::Store; 1] = [&SqliteStore {
    kind: "sqlite-read-model",
    file: FILE,
    newest_format: FORMAT,
    identity: "SELECT 'query', epoch, commits, (SELECT user_version FROM pragma_user_version) FROM _gateway",
    renew: "UPDATE _gateway SET epoch = ?1",
    // Indexes call functions of ours.
    prepare: |connection| async { Ok(tributary_sqlite::prepare(connection).await?) }.boxed(),
}];

/// The same of a database.
pub static POSTGRES_STORES: [PostgresStore; 1] = [PostgresStore {
    kind: "postgres-read-model",
    newest_format: POSTGRES_FORMAT,
    table: "_gateway",
    identity: "SELECT 'query', epoch, commits, format FROM _gateway",
    renew: "UPDATE {schema}._gateway SET epoch = {epoch} WHERE {service} = 'query' AND epoch = {was} AND commits = {head}",
}];
