//! What goes wrong between the gateway and its database.

use sqlx::error::{BoxDynError, DatabaseError};

/// A statement failed, or could not be asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] sqlx::Error);

/// What an error means to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Values bring it about: a division by zero, a text that is no number. SQLite says the same of a statement that it does
    /// not understand.
    Raised,
    /// PostgreSQL does not understand the statement.
    Refused,
    /// A row breaks a rule of its table, or a value has not the type of its column.
    Constraint,
    /// A value or statement is too large.
    TooLarge,
    /// What it sorts or collects is more than it may put on disk.
    TooMuch,
    /// It was stopped while it ran.
    Interrupted,
    /// The connection may not do that.
    Denied,
    /// The connection is gone, or the server undid what was under way on it: nothing of that is there.
    Lost,
    /// Anything else: a disk that is full, a lock that is held.
    Other,
}

impl Error {
    /// A value that cannot be bound.
    pub(super) fn encoding(error: BoxDynError) -> Self {
        Self(sqlx::Error::Encode(error))
    }

    /// A value that cannot be read.
    pub(super) fn decoding(error: impl Into<BoxDynError>) -> Self {
        Self(sqlx::Error::Decode(error.into()))
    }

    /// There was no answer in time.
    pub(crate) fn late() -> Self {
        Self(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
    }

    /// What the database says of the statement; `None` if it was not asked.
    pub fn message(&self) -> Option<&str> {
        match &self.0 {
            sqlx::Error::Database(error) => Some(error.message()),
            _ => None,
        }
    }

    /// By which the database names it, in five signs of PostgreSQL.
    pub(crate) fn code(&self) -> Option<String> {
        match &self.0 {
            sqlx::Error::Database(error) => error.code().map(|code| code.into_owned()),
            _ => None,
        }
    }

    /// What it means.
    pub fn class(&self) -> Class {
        match &self.0 {
            sqlx::Error::Database(error) => class(&**error),
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Class::Lost,
            _ => Class::Other,
        }
    }

    /// Whether values or the statement are at fault, and not the database or the way to it.
    pub fn is_of_statement(&self) -> bool {
        matches!(self.class(), Class::Raised | Class::Refused | Class::Constraint | Class::TooLarge)
    }
}

fn class(error: &dyn DatabaseError) -> Class {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        of_sqlite(code.parse().unwrap_or_default())
    } else {
        of_postgres(&code)
    }
}

/// By the primary of SQLite's result codes.
fn of_sqlite(code: i32) -> Class {
    match code & 0xff {
        ERROR => Class::Raised,
        INTERRUPT => Class::Interrupted,
        TOO_BIG => Class::TooLarge,
        CONSTRAINT | MISMATCH => Class::Constraint,
        AUTH => Class::Denied,
        _ => Class::Other,
    }
}

// Those that a statement can bring about by itself.
const ERROR: i32 = 1;
const INTERRUPT: i32 = 9;
const TOO_BIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const AUTH: i32 = 23;

/// By SQLSTATE, of which the first two signs are its class.
fn of_postgres(code: &str) -> Class {
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "42501" | "25006") => Class::Denied,
        (_, "57014") => Class::Interrupted,
        // Data, cardinality, a routine that raises.
        ("21" | "22" | "2F" | "38" | "39" | "P0", _) => Class::Raised,
        ("23", _) => Class::Constraint,
        ("42" | "0A", _) => Class::Refused,
        ("54", _) => Class::TooLarge,
        (_, "53400") => Class::TooMuch,
        // A transaction that stood still for too long, one of two that waited for each other.
        (_, "25P03" | "25P04" | "53300") | ("08" | "57" | "40", _) => Class::Lost,
        _ => Class::Other,
    }
}
