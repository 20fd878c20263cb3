//! Who writes: the one connection that does, and what keeps everybody else from it.
//!
//! A file has one owner, by the lock of its directory. A database may be shared by several gateways, of which one *leads*.
//! Two fences stand around it:
//!
//! - The lead is a lock of PostgreSQL that belongs to the session which writes. A session that is gone has no lock, and
//!   nothing can be written by it; the server ends one that stands still (`open/postgres`).
//! - `_gateway.generation` counts who came to lead. Every transaction begins by taking that row under the number of its
//!   own, and finds none once there is a later one: so nothing of an earlier leader is written even where locks of
//!   sessions do not hold, as behind a pooler. Who comes to lead waits at that row for a transaction that is under way.
//!
//! What the connection is read for needs neither.

use std::ops::{Deref, DerefMut};

use super::maintained::Maintained;
use crate::{
    database::{Connection, Transaction},
    error::StoreError,
};

const BEGINNING: &str = "beginning a transaction";

/// Any number, the same for all gateways. Locks of this kind are of one database.
const LEAD: &str = "SELECT pg_try_advisory_lock(2968314570316)";

/// Who holds it writes: the one connection, and the views that follow what is written.
#[derive(Debug)]
pub struct Writing {
    pub(crate) connection: Fenced,
    pub(crate) maintained: Maintained,
}

/// The connection that writes. Whatever is written is so in a transaction that begins here.
#[derive(Debug)]
pub struct Fenced {
    connection: Connection,
    fence: Fence,
}

/// What lets it write.
///
/// `Standby => Leads => Ended`, and no way back: who led and does not any more connects anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fence {
    /// The lock of the directory.
    Directory,
    /// Nothing: another one may lead.
    Standby,
    /// That it came to lead, as which in the order of those who did.
    Leads(i64),
    /// Nothing any more, whatever its session holds.
    Ended,
}

impl Writing {
    /// With no view that is kept, as after a start.
    pub(super) fn new(connection: Fenced) -> Self {
        Self { connection, maintained: Maintained::default() }
    }
}

impl Fenced {
    /// Of a file, whose directory is locked by this process.
    pub(super) fn of_directory(connection: Connection) -> Self {
        Self { connection, fence: Fence::Directory }
    }

    /// Of a database. It does not lead yet.
    pub(super) fn standby(connection: Connection) -> Self {
        Self { connection, fence: Fence::Standby }
    }

    /// Tries to come to lead; `false` while another one does.
    pub(super) async fn lead(&mut self) -> Result<bool, StoreError> {
        let failed = StoreError::sql("taking the lead");
        match self.fence {
            Fence::Standby => {}
            Fence::Directory | Fence::Leads(_) => return Ok(true),
            Fence::Ended => return Err(StoreError::Overtaken),
        }
        if !self.connection.query(LEAD).one::<bool>().await.map_err(&failed)? {
            return Ok(false);
        }
        self.succeed().await?;
        Ok(true)
    }

    /// Takes the next generation, whether or not anybody leads.
    pub(super) async fn succeed(&mut self) -> Result<(), StoreError> {
        let next = "UPDATE _gateway SET generation = generation + 1 RETURNING generation";
        let generation = self.connection.query(next).one().await;
        self.fence = Fence::Leads(generation.map_err(StoreError::sql("taking the lead"))?);
        Ok(())
    }

    /// Nothing is written from now on.
    pub(super) fn resign(&mut self) {
        self.fence = Fence::Ended;
    }

    /// As which it came to lead, in the order of those who did; none of a file.
    pub(super) fn generation(&self) -> Option<i64> {
        match self.fence {
            Fence::Leads(generation) => Some(generation),
            Fence::Directory | Fence::Standby | Fence::Ended => None,
        }
    }

    /// Whether it still may write. Says something on its session, too.
    pub(super) async fn confirm(&mut self) -> Result<(), StoreError> {
        let own = match self.fence {
            Fence::Directory => return Ok(()),
            Fence::Standby | Fence::Ended => return Err(StoreError::Overtaken),
            Fence::Leads(own) => own,
        };
        let generation = self.connection.query("SELECT generation FROM _gateway").one::<i64>().await;
        if generation.map_err(StoreError::sql("confirming the lead"))? == own {
            Ok(())
        } else {
            Err(StoreError::Overtaken)
        }
    }

    /// Begins a transaction of which nobody is told.
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        let failed = StoreError::sql(BEGINNING);
        let fence = self.fence;
        let mut tx = self.connection.begin().await.map_err(&failed)?;
        let generation = match fence {
            Fence::Directory => return Ok(tx),
            Fence::Standby | Fence::Ended => return Err(StoreError::Overtaken),
            Fence::Leads(generation) => generation,
        };
        let own = tx.query("SELECT generation FROM _gateway WHERE generation = $1 FOR NO KEY UPDATE");
        let own: Option<i64> = own.bind(generation).optional().await.map_err(&failed)?;
        own.map(|_| tx).ok_or(StoreError::Overtaken)
    }

    /// Begins a transaction with the next number of the gateway's own positions.
    pub(crate) async fn begin_commit(&mut self) -> Result<(Transaction<'_>, u64), StoreError> {
        let failed = StoreError::sql(BEGINNING);
        let fence = self.fence;
        let mut tx = self.connection.begin().await.map_err(&failed)?;
        let count = match fence {
            Fence::Directory => tx.query("UPDATE _gateway SET commits = commits + 1 RETURNING commits"),
            Fence::Standby | Fence::Ended => return Err(StoreError::Overtaken),
            Fence::Leads(generation) => {
                let text =
                    "UPDATE _gateway SET commits = commits + 1 WHERE generation = $1 RETURNING commits";
                tx.query(text).bind(generation)
            }
        };
        let commit: Option<i64> = count.optional().await.map_err(&failed)?;
        commit.map(|commit| (tx, commit.cast_unsigned())).ok_or(StoreError::Overtaken)
    }
}

/// To be read through.
impl Deref for Writing {
    type Target = Fenced;

    fn deref(&self) -> &Fenced {
        &self.connection
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut Fenced {
        &mut self.connection
    }
}

/// To be read through.
impl Deref for Fenced {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Fenced {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
