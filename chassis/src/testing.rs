//! For the tests of services: their decisions without a store ([`given`]), a whole service inside of a test
//! ([`Running`]), its lists ([`pages`]) and all that is asked of [`standard_methods`], and the feed of one that is not there
//! ([`StandIn`]). What is not as expected panics.

mod meters;
pub mod pages;
mod published;
mod running;
mod scenario;
mod stand_in;
pub mod standard_methods;
mod table;

use std::fmt::Debug;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{fault::Reason, validate::Violations};

pub use meters::Meters;
pub use published::{published, value};
pub use running::Running;
pub use scenario::{Decided, Event, Given, NOW, given};
pub use stand_in::{Away, Role, StandIn};
pub use table::Table;

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

/// The call must be refused for exactly these fields, or succeed where there are none.
#[track_caller]
pub fn check_fields<T: Debug>(case: usize, result: Result<T, Status>, expected: &[&str]) {
    match result {
        Ok(reply) => assert!(expected.is_empty(), "case {case} must refuse {expected:?}: {reply:?}"),
        Err(status) => {
            assert_eq!(refused_fields(&status), expected, "case {case}: {status}");
            assert_eq!(status.code(), Code::InvalidArgument, "case {case}: {status}");
            for field in expected {
                assert!(status.message().contains(field), "case {case} does not name {field}: {status}");
            }
        }
    }
}

/// Code and reason of a call that must fail.
#[track_caller]
pub fn refusal<T: Debug>(result: Result<T, Status>) -> (Code, Option<Reason>) {
    match result {
        Ok(reply) => panic!("not refused: {reply:?}"),
        Err(status) => (status.code(), Reason::of(&status)),
    }
}
