//! For the tests of services: their decisions without a store ([`given`]), and a whole service inside of
//! a test ([`Running`]). What is not as expected panics.

mod running;
mod scenario;

use tonic::Status;
use tonic_types::StatusExt as _;

use crate::validate::Violations;

pub use running::Running;
pub use scenario::{Decided, Event, Given, NOW, given};

/// The paths of the fields that `check` notes as wrong.
pub fn violated(check: impl FnOnce(&mut Violations)) -> Vec<String> {
    let mut violations = Violations::new();
    check(&mut violations);
    violations.finish().err().map(|fault| refused_fields(&fault.into())).unwrap_or_default()
}

/// The paths of the fields that a status names as wrong.
pub fn refused_fields(status: &Status) -> Vec<String> {
    let violations = status.get_error_details().bad_request().map(|bad| bad.field_violations.clone());
    violations.unwrap_or_default().into_iter().map(|violation| violation.field).collect()
}
