//! Connections: made able, then restricted, then bounded in time.

use std::time::Instant;

use sqlx::SqliteConnection;

use crate::{
    aggregates::AGGREGATES,
    ffi::{self, Refused, authorizer::Rules},
    functions::{NATIVE, scalars},
    interval, numeric,
};

/// The first release of the 3.51 line in which a reset of the write-ahead log cannot corrupt the file.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Virtual machine steps between two looks at the clock: about a tenth of a millisecond.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// Why a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The linked library is one that can lose data.
    #[error("SQLite {0} is linked, 3.51.3 or newer is needed")]
    TooOld(String),
    /// A call failed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The connection is broken.
    #[error("the connection to SQLite failed")]
    Connection(#[from] sqlx::Error),
}

/// Registers every function and collation that compiled SQL uses. Once per connection.
pub async fn prepare(conn: &mut SqliteConnection) -> Result<(), PrepareError> {
    let version = ffi::limits::version();
    if version < OLDEST_SQLITE {
        let (major, minor, patch) = (version / 1_000_000, version / 1_000 % 1_000, version % 1_000);
        return Err(PrepareError::TooOld(format!("{major}.{minor}.{patch}")));
    }
    let mut handle = conn.lock_handle().await?;
    handle.create_collation("pg_numeric", numeric::collate)?;
    handle.create_collation("pg_interval", interval::collate)?;
    let db = handle.as_raw_handle();
    for function in scalars() {
        // SAFETY: the locked handle keeps the connection open and to us.
        unsafe { ffi::scalar::register(db, function) }?;
    }
    for aggregate in AGGREGATES {
        // SAFETY: the locked handle keeps the connection open and to us.
        unsafe { ffi::aggregate::register(db, aggregate) }?;
    }
    Ok(())
}

/// Lets nothing through but transactions of SELECTs over relations that `may_read` accepts, with the functions of the
/// dialect; bounds the size of statements and values. There is no way back for this connection.
///
/// SQLite's own tables (`sqlite_master` and the like) and its table functions are refused before `may_read` is asked.
/// Views are read as their own relations and as those below: `may_read` sees both.
pub async fn guard_reader(
    conn: &mut SqliteConnection,
    may_read: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Result<(), PrepareError> {
    let mut handle = conn.lock_handle().await?;
    let db = handle.as_raw_handle();
    let rules = Rules {
        may_read: Box::new(move |relation| !is_internal(relation) && may_read(relation)),
        may_call: Box::new(may_call),
    };
    // SAFETY: the locked handle keeps the connection open and to us.
    unsafe {
        ffi::limits::restrict(db)?;
        ffi::authorizer::install(db, rules)?;
    }
    Ok(())
}

fn is_internal(relation: &str) -> bool {
    let lower = relation.to_ascii_lowercase();
    ["sqlite_", "pragma_", "json_", "dbstat"].iter().any(|prefix| lower.starts_with(prefix))
}

fn may_call(function: &str) -> bool {
    NATIVE.iter().any(|native| native.eq_ignore_ascii_case(function))
        || scalars().any(|scalar| scalar.name.eq_ignore_ascii_case(function))
        || AGGREGATES.iter().any(|aggregate| aggregate.name.eq_ignore_ascii_case(function))
}

/// From now on a statement on this connection that runs past `deadline` ends with the error "interrupted". Dropping a
/// future does not end its statement: this does.
pub async fn with_deadline(conn: &mut SqliteConnection, deadline: Instant) -> Result<(), sqlx::Error> {
    let mut handle = conn.lock_handle().await?;
    handle.set_progress_handler(STEPS_BETWEEN_CHECKS, move || Instant::now() < deadline);
    Ok(())
}

/// Whether a transaction is open, as far as SQLite knows: it ends one by itself when the disk is full.
pub async fn in_transaction(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let mut handle = conn.lock_handle().await?;
    // SAFETY: the locked handle keeps the connection open and to us.
    Ok(unsafe { ffi::limits::in_transaction(handle.as_raw_handle()) })
}

/// Removes the deadline.
pub async fn without_deadline(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    conn.lock_handle().await?.remove_progress_handler();
    Ok(())
}

#[cfg(test)]
mod tests;
