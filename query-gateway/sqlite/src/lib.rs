//! What SQLite needs to answer like PostgreSQL, and to be asked by strangers: functions and collations, a guard that
//! lets nothing but reads through, and a deadline. The only crate of the workspace with unsafe code, all of it in
//! `ffi`; what a function computes is safe Rust beside it.
//!
//! - [`prepare`]: on every connection that runs SQL of the compiler. Registers `pg_*` functions and collations.
//! - [`guard_reader`]: besides, on a connection that runs SQL of users.
//! - [`with_deadline`] / [`without_deadline`]: around a statement that may take too long.

mod aggregates;
mod ffi;
mod functions;
mod guard;
pub mod interval;
mod json;
pub mod numeric;
mod tally;
pub mod timestamp;
mod value;

pub use functions::like;
pub use guard::{PrepareError, guard_reader, in_transaction, prepare, with_deadline, without_deadline};
pub use value::Failure;

/// Texts of casts, for literals that are typed by their place.
pub mod literal {
    pub use crate::{
        functions::{parse_bigint, parse_bool, parse_double},
        json::normalize as parse_jsonb,
    };
}
