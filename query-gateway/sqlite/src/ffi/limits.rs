//! Bounds on one statement, and switches that close SQLite's side doors.

use std::{
    ffi::{c_int, c_uint},
    ptr::NonNull,
};

use libsqlite3_sys as sys;

use super::{Refused, check};

/// What a reader's statement may cost before it runs: what it costs while it runs is the deadline's matter.
const LIMITS: &[(c_int, c_int)] = &[
    // Bytes of a value or row, and of the statement's text.
    (sys::SQLITE_LIMIT_LENGTH, 16 << 20),
    (sys::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
    (sys::SQLITE_LIMIT_COLUMN, 1_000),
    (sys::SQLITE_LIMIT_EXPR_DEPTH, 500),
    (sys::SQLITE_LIMIT_COMPOUND_SELECT, 200),
    (sys::SQLITE_LIMIT_VDBE_OP, 250_000),
    (sys::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (sys::SQLITE_LIMIT_ATTACHED, 0),
    (sys::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Sets the bounds and switches of a connection that answers strangers.
///
/// # Safety
/// `db` is open, and nobody else uses it during the call.
pub(crate) unsafe fn restrict(db: NonNull<sys::sqlite3>) -> Result<(), Refused> {
    for (limit, value) in LIMITS {
        // SAFETY: `db` is open by the contract.
        unsafe { sys::sqlite3_limit(db.as_ptr(), *limit, *value) };
    }
    let switches = [
        (sys::SQLITE_DBCONFIG_DEFENSIVE, 1, "turn defensive mode on"),
        (sys::SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, "distrust the schema"),
        (sys::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, "turn extensions off"),
        (sys::SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, "turn triggers off"),
        (sys::SQLITE_DBCONFIG_DQS_DML, 0, "turn double-quoted strings off"),
        (sys::SQLITE_DBCONFIG_DQS_DDL, 0, "turn double-quoted strings off"),
    ];
    for (switch, value, what) in switches {
        // SAFETY: `db` is open by the contract; these switches take an int and a pointer for the answer, here none.
        let code = unsafe {
            sys::sqlite3_db_config(
                db.as_ptr(),
                switch as c_int,
                value as c_int,
                std::ptr::null_mut::<c_uint>(),
            )
        };
        check(code, || what.to_owned())?;
    }
    Ok(())
}

/// The version of the library that is linked, as in `3_051_003`.
pub(crate) fn version() -> c_int {
    // SAFETY: takes nothing and has no effect.
    unsafe { sys::sqlite3_libversion_number() }
}

/// Whether a transaction is open.
///
/// # Safety
/// `db` is open, and nobody else uses it during the call.
pub(crate) unsafe fn in_transaction(db: NonNull<sys::sqlite3>) -> bool {
    // SAFETY: `db` is open by the contract.
    unsafe { sys::sqlite3_get_autocommit(db.as_ptr()) == 0 }
}
