//! `tributary restore`.

use std::{io::Write as _, path::PathBuf, sync::Arc};

use clap::{Args, builder::BoolishValueParser};
use tributary_chassis::{
    backup::{self, Restored},
    position::Position,
};

use crate::{
    failure::Failure,
    terminal,
    transfer::{self, Meter, POSTGRES_STORES, Place, STORES},
};

/// Make a store of a backup.
#[derive(Debug, Args)]
#[command(after_help = "\
STORE is a data directory or a database that nobody uses: stop its process first. It must be empty or not there, or hold a store
of the same service and kind, which --replace gives up once the backup is restored beside it. The whole file is checked
before anything is touched; whatever interrupts a restore leaves the store that was there, or the one of the
backup. If it is the latter, the next start of the service puts it into its place.

A database is restored in one transaction, by the pg_restore and psql in PATH.

What was written since the backup is lost, and everybody learns that: the store begins another history under a new
epoch. The gateway takes a snapshot by itself, and so does every service that follows; positions that callers
have kept are refused.

Prints the position that the store stands at.

Exit codes:
  0   the store is complete and on disk
  1   nothing was changed, or it was interrupted as said above

Examples:
  tributary restore --from orders.backup --to ./.tributary/orders --replace
  tributary restore --from orders.backup --to /mnt/new/orders")]
pub(crate) struct Restore {
    /// File that `tributary backup` has written.
    #[arg(long, env = "TRIBUTARY_FROM", value_name = "FILE")]
    from: PathBuf,

    /// Store to make: a data directory, or postgres://USER@HOST:PORT/DATABASE.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "STORE", value_parser = transfer::store, hide_env_values = true)]
    to: Place,

    /// Give up the store that is there.
    #[arg(long, env = "TRIBUTARY_REPLACE", value_parser = BoolishValueParser::new())]
    replace: bool,
}

pub(crate) async fn run(restore: Restore) -> Result<(), Failure> {
    let Restore { from, to, replace } = restore;
    let meter = Arc::new(Meter::new());
    let shown = Arc::clone(&meter);
    let report = move |progress| shown.show(progress);
    let restored = match &to {
        Place::Directory(directory) => {
            backup::restore(&STORES, from, directory.clone(), replace, Arc::new(report)).await
        }
        Place::Database(database) => {
            backup::restore_database(&POSTGRES_STORES, &from, database, replace, &report).await
        }
    };
    meter.finish();
    let Restored { manifest, epoch } = restored.map_err(|error| transfer::failure(&error))?;
    let identity = manifest.identity;
    let before = Position { service: identity.service, epoch: identity.epoch, sequence: identity.head };
    writeln!(std::io::stdout().lock(), "{}", Position { epoch, ..before.clone() })?;
    let (kind, time) = (manifest.kind, manifest.time);
    terminal::say(&terminal::dim(format!("{kind} in {to}, as it was at {before} ({time})")));
    Ok(())
}
