//! The C side, one file per subject. Nothing unsafe leaves it.

pub(crate) mod aggregate;
pub(crate) mod authorizer;
pub(crate) mod limits;
pub(crate) mod scalar;
mod values;

use std::ffi::c_int;

use libsqlite3_sys::{SQLITE_DETERMINISTIC, SQLITE_INNOCUOUS, SQLITE_UTF8};

/// Same arguments, same result; and harmless, so that views may use it although the schema is not trusted.
const FUNCTION_FLAGS: c_int = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;

/// SQLite refused a call: its result code and what was tried.
#[derive(Debug, thiserror::Error)]
#[error("SQLite refused to {what} (code {code})")]
pub struct Refused {
    what: String,
    code: c_int,
}

fn check(code: c_int, what: impl FnOnce() -> String) -> Result<(), Refused> {
    if code == libsqlite3_sys::SQLITE_OK { Ok(()) } else { Err(Refused { what: what(), code }) }
}
