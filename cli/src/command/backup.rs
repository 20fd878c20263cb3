//! `tributary backup`.

use std::{io::Write as _, path::PathBuf, sync::Arc};

use clap::Args;
use tributary_chassis::{
    backup::{self, Taken},
    position::Position,
};

use crate::{
    failure::Failure,
    terminal,
    transfer::{self, Meter, POSTGRES_STORES, Place, STORES},
};

/// Write the store of a service, or of the gateway, into one file.
#[derive(Debug, Args)]
#[command(after_help = "\
STORE is a data directory: ./.tributary/NAME of a mesh that `up` runs. What lies in it says which kind it is.
A store on SQLite and that of the gateway are copied as of one moment, while their process goes on; a store
on sled can be read by one process alone, so stop the service first.
Or it is the database of a service, or of the gateway, on PostgreSQL, with the password in PGPASSWORD: it is dumped as of one moment by
the pg_dump in PATH, which must not be older than the server, while all instances go on.

FILE is new, says in its first two lines what is in it, and has a checksum: `head -n 2 FILE` shows them. Twice
the size of the store is needed where it lies. Keep it like the store itself: it has everything of it in plain.

Prints the position that the backup goes up to.

Exit codes:
  0   the backup is complete and on disk
  1   there is no backup

Examples:
  tributary backup --from ./.tributary/orders --to orders-$(date +%F).backup
  tributary backup --from ./.tributary/query-gateway --to gateway.backup
  tributary backup --from postgres://orders@db.example:5432/orders --to orders.backup
  tributary restore --from orders-2026-01-31.backup --to ./.tributary/orders --replace")]
pub(crate) struct Backup {
    /// Store to back up: a data directory, or postgres://USER@HOST:PORT/DATABASE.
    #[arg(long, env = "TRIBUTARY_FROM", value_name = "STORE", value_parser = transfer::store, hide_env_values = true)]
    from: Place,

    /// File to write, which must not be there yet.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "FILE")]
    to: PathBuf,
}

pub(crate) async fn run(backup: Backup) -> Result<(), Failure> {
    let Backup { from, to } = backup;
    let meter = Arc::new(Meter::new());
    let shown = Arc::clone(&meter);
    let report = move |progress| shown.show(progress);
    let taken = match from {
        Place::Directory(directory) => backup::backup(&STORES, directory, to.clone(), Arc::new(report)).await,
        Place::Database(database) => backup::backup_database(&POSTGRES_STORES, &database, &to, &report).await,
    };
    meter.finish();
    let Taken { manifest, bytes } = taken.map_err(|error| transfer::failure(&error))?;
    let identity = manifest.identity;
    let position = Position { service: identity.service, epoch: identity.epoch, sequence: identity.head };
    writeln!(std::io::stdout().lock(), "{position}")?;
    let size = transfer::bytes(bytes);
    terminal::say(&terminal::dim(format!("{}, {size} in {}", manifest.kind, to.display())));
    Ok(())
}
