//! Registration of functions of one row.

use std::{
    ffi::{CString, c_int},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{self, NonNull},
};

use libsqlite3_sys as sys;

use super::{FUNCTION_FLAGS, Refused, check, values};
use crate::{
    functions::Scalar,
    value::{Output, Value},
};

/// Makes `function` known to the connection.
///
/// # Safety
/// `db` is open, and nobody else uses it during the call.
pub(crate) unsafe fn register(db: NonNull<sys::sqlite3>, function: &'static Scalar) -> Result<(), Refused> {
    let what = || format!("register {}", function.name);
    let name = CString::new(function.name).map_err(|_| Refused { what: what(), code: sys::SQLITE_MISUSE })?;
    // SAFETY: `db` is open by the contract; the user data lives for ever and is only read.
    let code = unsafe {
        sys::sqlite3_create_function_v2(
            db.as_ptr(),
            name.as_ptr(),
            function.arguments.map_or(-1, c_int::from),
            FUNCTION_FLAGS,
            ptr::from_ref(function).cast_mut().cast(),
            Some(call),
            None,
            None,
            None,
        )
    };
    check(code, what)
}

unsafe extern "C" fn call(
    context: *mut sys::sqlite3_context,
    count: c_int,
    values: *mut *mut sys::sqlite3_value,
) {
    // SAFETY: the user data is the `&'static Scalar` of `register`.
    let function: &'static Scalar = unsafe { &*sys::sqlite3_user_data(context).cast() };
    // SAFETY: SQLite passes `count` values that live as long as this call.
    let arguments = unsafe { values::arguments(count, values) };
    let result = if function.strict && arguments.contains(&Value::Null) {
        Ok(Output::Null)
    } else {
        catch_unwind(AssertUnwindSafe(|| (function.body)(&arguments)))
            .unwrap_or_else(|_| Err(values::panicked(function.name)))
    };
    // SAFETY: `context` is that of this call.
    unsafe { values::give(context, &result) };
}
