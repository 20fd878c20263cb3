//! Rows on their way into a table of PostgreSQL by COPY, in its binary form: a head, then each row as the number of its
//! values and each of these with its length, and an end.

use sqlx::{PgConnection, encode::IsNull};

use super::bind::write;
use crate::database::{
    Argument, Connection, Error,
    connection::{Link, State},
};

/// The signature, no flags, nothing that extends it.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: [u8; 2] = (-1_i16).to_be_bytes();

/// A length that says NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Rows of one table, written down.
#[derive(Debug)]
pub struct Rows {
    bytes: Vec<u8>,
    columns: i16,
}

impl Rows {
    /// None, of that many columns.
    pub fn new(columns: usize) -> Result<Self, Error> {
        let columns = i16::try_from(columns).map_err(Error::decoding)?;
        Ok(Self { bytes: HEAD.to_vec(), columns })
    }

    /// Adds one. Each value is of the type of its column: the server is told of no type.
    pub fn add<'v>(&mut self, values: impl IntoIterator<Item = Argument<'v>>) -> Result<(), Error> {
        self.bytes.extend(self.columns.to_be_bytes());
        for value in values {
            let at = self.bytes.len();
            self.bytes.extend(NULL);
            if let IsNull::No = write(&value, &mut self.bytes).map_err(Error::encoding)? {
                let length = i32::try_from(self.bytes.len() - at - NULL.len()).map_err(Error::decoding)?;
                self.bytes[at..at + NULL.len()].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Adds rows by `COPY`, which says their table and columns and that they are binary; how many. SQLite has no such thing.
    /// If its future is dropped, the connection is lost, and what was not committed with it.
    pub async fn copy(&mut self, copy: &str, mut rows: Rows) -> Result<u64, Error> {
        rows.bytes.extend(END);
        self.settle().await?;
        match &mut self.link {
            Link::Sqlite(_) => Err(Error::encoding("SQLite has no COPY".into())),
            Link::Postgres(link) => {
                let state = std::mem::replace(&mut self.state, State::Broken);
                let sent = send(link, copy, rows.bytes).await;
                self.state = state;
                sent
            }
        }
    }
}

async fn send(link: &mut PgConnection, copy: &str, bytes: Vec<u8>) -> Result<u64, Error> {
    let mut copying = link.copy_in_raw(copy).await?;
    match copying.send(bytes).await {
        Ok(_) => Ok(copying.finish().await?),
        Err(error) => Err(error.into()),
    }
}
