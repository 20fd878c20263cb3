//! Arguments and results of functions across the border.

use std::{
    ffi::{c_char, c_int},
    slice,
};

use libsqlite3_sys as sys;

use crate::value::{Failure, Output, Value};

/// The arguments of a call.
///
/// # Safety
/// `values` points to `count` valid `sqlite3_value`s that outlive the result: what SQLite hands to a function during
/// the call of it.
pub(super) unsafe fn arguments<'a>(count: c_int, values: *mut *mut sys::sqlite3_value) -> Vec<Value<'a>> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: by the contract above.
    (0..count).map(|at| unsafe { argument(*values.add(at)) }).collect()
}

/// # Safety
/// As for [`arguments`].
unsafe fn argument<'a>(value: *mut sys::sqlite3_value) -> Value<'a> {
    // SAFETY: `value` is valid. The bytes stay until the value is converted or the call ends; text is asked for before
    // its length, as the manual wants, and nobody converts it afterwards.
    unsafe {
        match sys::sqlite3_value_type(value) {
            sys::SQLITE_INTEGER => Value::Integer(sys::sqlite3_value_int64(value)),
            sys::SQLITE_FLOAT => Value::Real(sys::sqlite3_value_double(value)),
            sys::SQLITE_TEXT => {
                let start = sys::sqlite3_value_text(value);
                let bytes = bytes(start.cast(), sys::sqlite3_value_bytes(value));
                // The gateway stores UTF-8 only; a blob is what a function then refuses by name.
                std::str::from_utf8(bytes).map_or(Value::Blob(bytes), Value::Text)
            }
            sys::SQLITE_BLOB => {
                let start = sys::sqlite3_value_blob(value);
                Value::Blob(bytes(start.cast(), sys::sqlite3_value_bytes(value)))
            }
            _ => Value::Null,
        }
    }
}

/// # Safety
/// `start` points to `length` bytes that live for `'a`, or is null when there are none.
unsafe fn bytes<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: by the contract above; an empty blob may be null.
        Ok(length) if length > 0 && !start.is_null() => unsafe { slice::from_raw_parts(start, length) },
        _ => &[],
    }
}

/// Hands the result, or the reason why there is none, to SQLite.
///
/// # Safety
/// `context` is that of the call at hand.
pub(super) unsafe fn give(context: *mut sys::sqlite3_context, result: &Result<Output, Failure>) {
    // SAFETY: `context` is valid; SQLITE_TRANSIENT makes SQLite copy the bytes before the call returns.
    unsafe {
        match result {
            Ok(Output::Null) => sys::sqlite3_result_null(context),
            Ok(Output::Integer(value)) => sys::sqlite3_result_int64(context, *value),
            Ok(Output::Real(value)) => sys::sqlite3_result_double(context, *value),
            Ok(Output::Text(text)) => sys::sqlite3_result_text64(
                context,
                text.as_ptr().cast(),
                text.len() as u64,
                sys::SQLITE_TRANSIENT(),
                sys::SQLITE_UTF8 as u8,
            ),
            Ok(Output::Blob(blob)) => {
                sys::sqlite3_result_blob64(
                    context,
                    blob.as_ptr().cast(),
                    blob.len() as u64,
                    sys::SQLITE_TRANSIENT(),
                );
            }
            Err(Failure(reason)) => {
                let length = c_int::try_from(reason.len()).unwrap_or(c_int::MAX);
                sys::sqlite3_result_error(context, reason.as_ptr().cast::<c_char>(), length);
            }
        }
    }
}

/// What a call that panicked answers: a defect of ours must not unwind into C.
pub(super) fn panicked(name: &str) -> Failure {
    Failure(format!("internal error: {name} panicked"))
}
