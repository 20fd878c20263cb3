//! Opens and creates the store, in either database.

mod postgres;
mod sqlite;

use crate::database::{Connection, Pool};

pub(super) use self::{
    postgres::{
        FORMAT as POSTGRES_FORMAT, beside as beside_postgres, open as open_postgres,
        reopen as reopen_postgres,
    },
    sqlite::{FILE, FORMAT, open as open_sqlite},
};

/// A store that is open.
pub(super) struct Opened {
    /// The one connection that writes.
    pub(super) writer: Connection,
    /// Those that read by statements of the gateway's own.
    pub(super) readers: Pool,
    /// Those that read by statements of users.
    pub(super) queries: Pool,
    /// Which life of the store.
    pub(super) epoch: String,
}
