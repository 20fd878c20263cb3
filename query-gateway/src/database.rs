//! The databases that can hold the read model, behind one handle: SQLite in a file, or PostgreSQL.
//!
//! What differs is in here as far as it is a matter of talking to them: values, rows, transactions, errors. What differs in
//! the statements is told apart where these are written, by [`Connection::dialect`]. Parameters are `$1`, `$2`, .. for both.
//!
//! A future of this module may be dropped at any moment. A transaction that was open then is rolled back before the connection
//! does anything else; a statement that was sent may run on until then, see [`Connection::bound`].

mod argument;
mod batch;
mod bound;
mod connection;
mod error;
mod pool;
mod postgres;
mod query;
mod row;
mod sqlite;
mod transaction;

pub use self::{
    argument::Argument,
    batch::Batch,
    connection::Connection,
    error::{Class, Error},
    pool::Pool,
    postgres::Rows,
    query::Query,
    row::{FromRow, Get, Row, Value},
    transaction::Transaction,
};

pub use crate::sql::Dialect;

#[cfg(test)]
mod tests;
