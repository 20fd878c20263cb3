//! The allow-list that SQLite asks while it prepares a statement.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

use libsqlite3_sys as sys;

use super::{Refused, check};

/// Whether a statement may read a relation, and whether it may call a function.
pub(crate) struct Rules {
    pub(crate) may_read: Box<dyn Fn(&str) -> bool + Send + Sync>,
    pub(crate) may_call: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

/// Sets the rules for the life of the connection; earlier ones are freed.
///
/// # Safety
/// `db` is open, and nobody else uses it during the call.
pub(crate) unsafe fn install(db: NonNull<sys::sqlite3>, rules: Rules) -> Result<(), Refused> {
    let rules = Box::into_raw(Box::new(rules)).cast::<c_void>();
    // SAFETY: `db` is open by the contract, and no statement is prepared between the two calls. The connection owns the
    // rules as client data: `drop_rules` frees them when it closes, when they are replaced, and when this call fails.
    let kept =
        unsafe { sys::sqlite3_set_clientdata(db.as_ptr(), CLIENT_DATA.as_ptr(), rules, Some(drop_rules)) };
    check(kept, || "keep the authorizer's rules".to_owned())?;
    // SAFETY: `db` is open by the contract; the rules live as long as it does, or until they are replaced here.
    let code = unsafe { sys::sqlite3_set_authorizer(db.as_ptr(), Some(authorize), rules) };
    check(code, || "set the authorizer".to_owned())
}

/// The name under which the connection owns its rules.
const CLIENT_DATA: &CStr = c"tributary-rules";

unsafe extern "C" fn drop_rules(rules: *mut c_void) {
    // SAFETY: the pointer comes from `Box::into_raw` in `install`, and SQLite calls once.
    drop(unsafe { Box::from_raw(rules.cast::<Rules>()) });
}

unsafe extern "C" fn authorize(
    rules: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    database: *const c_char,
    _trigger_or_view: *const c_char,
) -> c_int {
    // SAFETY: the rules live as long as the authorizer is set, see `install`.
    let rules = unsafe { &*rules.cast::<Rules>() };
    // SAFETY: SQLite passes null or C strings that live as long as this call.
    let (first, second, database) = unsafe { (text(first), text(second), text(database)) };
    let allowed = catch_unwind(AssertUnwindSafe(|| allows(rules, action, first, second, database)));
    if allowed.unwrap_or(false) { sys::SQLITE_OK } else { sys::SQLITE_DENY }
}

/// # Safety
/// `pointer` is null or a C string that lives for `'a`.
unsafe fn text<'a>(pointer: *const c_char) -> &'a str {
    if pointer.is_null() {
        return "";
    }
    // SAFETY: by the contract above.
    unsafe { CStr::from_ptr(pointer) }.to_str().unwrap_or("\u{fffd}")
}

fn allows(rules: &Rules, action: c_int, first: &str, second: &str, database: &str) -> bool {
    match action {
        // Beginning and ending a transaction changes nothing on a reader, and gives several reads one state.
        sys::SQLITE_SELECT | sys::SQLITE_RECURSIVE | sys::SQLITE_TRANSACTION => true,
        // `first` is the relation; it is empty for a sub-query or a CTE. `temp` and attached databases have no place here.
        sys::SQLITE_READ => {
            (database == "main" || database.is_empty()) && (first.is_empty() || (rules.may_read)(first))
        }
        sys::SQLITE_FUNCTION => (rules.may_call)(second),
        _ => false,
    }
}
