//! Registration of aggregates, which are window functions too.

use std::{
    ffi::{CString, c_int},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{self, NonNull},
};

use libsqlite3_sys as sys;

use super::{FUNCTION_FLAGS, Refused, check, values};
use crate::{
    aggregates::{Accumulator, Aggregate},
    value::{Failure, Output, Value},
};

/// What SQLite keeps per group: zeroed at first, then an owned box. Boxed twice to be one thin pointer.
type Slot = *mut Box<dyn Accumulator>;

/// Makes `aggregate` known to the connection.
///
/// # Safety
/// `db` is open, and nobody else uses it during the call.
pub(crate) unsafe fn register(
    db: NonNull<sys::sqlite3>,
    aggregate: &'static Aggregate,
) -> Result<(), Refused> {
    let what = || format!("register {}", aggregate.name);
    let name =
        CString::new(aggregate.name).map_err(|_| Refused { what: what(), code: sys::SQLITE_MISUSE })?;
    // SAFETY: `db` is open by the contract; the user data lives for ever and is only read.
    let code = unsafe {
        sys::sqlite3_create_window_function(
            db.as_ptr(),
            name.as_ptr(),
            1,
            FUNCTION_FLAGS,
            ptr::from_ref(aggregate).cast_mut().cast(),
            Some(step),
            Some(finish),
            Some(current),
            Some(inverse),
            None,
        )
    };
    check(code, what)
}

/// # Safety
/// `context` is that of a call of a function registered here.
unsafe fn definition(context: *mut sys::sqlite3_context) -> &'static Aggregate {
    // SAFETY: the user data is the `&'static Aggregate` of `register`.
    unsafe { &*sys::sqlite3_user_data(context).cast() }
}

/// The state of the group, made at its first row; `None` when SQLite is out of memory.
///
/// # Safety
/// As for [`definition`]; the reference must not outlive the call.
unsafe fn state<'a>(context: *mut sys::sqlite3_context) -> Option<&'a mut Box<dyn Accumulator>> {
    // SAFETY: SQLite allocates the slot zeroed and aligned for any type; only this module writes it.
    unsafe {
        let slot = sys::sqlite3_aggregate_context(context, mem::size_of::<Slot>() as c_int).cast::<Slot>();
        let slot = slot.as_mut()?;
        if slot.is_null() {
            *slot = Box::into_raw(Box::new((definition(context).start)()));
        }
        slot.as_mut()
    }
}

/// # Safety
/// The arguments are those of a call by SQLite of a function registered here.
unsafe fn advance(
    context: *mut sys::sqlite3_context,
    count: c_int,
    values: *mut *mut sys::sqlite3_value,
    act: impl FnOnce(&mut dyn Accumulator, Value<'_>) -> Result<(), Failure>,
) {
    // SAFETY: by the contract above; the state and the values live as long as the call.
    let (name, state, arguments) =
        unsafe { (definition(context).name, state(context), values::arguments(count, values)) };
    let result = match (state, arguments.first()) {
        (Some(state), Some(value)) => catch_unwind(AssertUnwindSafe(|| act(state.as_mut(), *value)))
            .unwrap_or_else(|_| Err(values::panicked(name))),
        _ => Err(Failure("out of memory".to_owned())),
    };
    if let Err(failure) = result {
        // SAFETY: `context` is that of this call.
        unsafe { values::give(context, &Err(failure)) };
    }
}

unsafe extern "C" fn step(
    context: *mut sys::sqlite3_context,
    count: c_int,
    values: *mut *mut sys::sqlite3_value,
) {
    // SAFETY: SQLite calls with valid arguments.
    unsafe { advance(context, count, values, |state, value| state.step(value)) };
}

unsafe extern "C" fn inverse(
    context: *mut sys::sqlite3_context,
    count: c_int,
    values: *mut *mut sys::sqlite3_value,
) {
    // SAFETY: SQLite calls with valid arguments.
    unsafe { advance(context, count, values, |state, value| state.inverse(value)) };
}

unsafe extern "C" fn current(context: *mut sys::sqlite3_context) {
    // SAFETY: `context` is that of this call, and the state lives longer.
    unsafe {
        let result = match state(context) {
            Some(state) => result_of(definition(context).name, state.as_ref()),
            None => Err(Failure("out of memory".to_owned())),
        };
        values::give(context, &result);
    }
}

/// Called exactly once for each group, also when the statement is given up: the state is freed here.
unsafe extern "C" fn finish(context: *mut sys::sqlite3_context) {
    // SAFETY: with size 0 SQLite makes no new slot; a slot that is there holds null or the box of `state`, which is
    // taken out and dropped once.
    unsafe {
        let slot = sys::sqlite3_aggregate_context(context, 0).cast::<Slot>();
        let state = match slot.as_mut().map(|slot| mem::replace(slot, ptr::null_mut())) {
            Some(state) if !state.is_null() => *Box::from_raw(state),
            _ => (definition(context).start)(),
        };
        values::give(context, &result_of(definition(context).name, state.as_ref()));
    }
}

fn result_of(name: &str, state: &dyn Accumulator) -> Result<Output, Failure> {
    catch_unwind(AssertUnwindSafe(|| state.value())).unwrap_or_else(|_| Err(values::panicked(name)))
}
