//! What tests need that is not on every machine. For tests of any package: it depends on none of ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

pub mod postgres;
pub mod skip;
