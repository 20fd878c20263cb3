//! Opens and creates the store, in either database.

mod postgres;
mod sqlite;

pub(super) use self::{
    postgres::{beside as beside_postgres, open as open_postgres, reopen as reopen_postgres},
    sqlite::{FILE, FORMAT, open as open_sqlite},
};
