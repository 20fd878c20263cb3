//! The harness that runs a whole mesh of real processes, and the checker that audits it.
//!
//! Scenarios are in `tests/`, their prefix says the tier: `contract_*` holds code and documents to what
//! they promise, `e2e_*` uses a mesh as its users do, `fault_*` breaks it and audits what is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

pub mod amendments;
pub mod binaries;
pub mod checker;
pub mod clients;
pub mod collector;
pub mod containers;
pub mod document;
pub mod http;
pub mod insights;
pub mod jaeger;
pub mod ledger;
pub mod lists;
pub mod load;
pub mod loader;
pub mod manifests;
pub mod mesh;
pub mod metrics;
pub mod model;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod publisher;
pub mod read_model;
pub mod recompute;
pub mod reference;
pub mod rows;
pub mod sampled;
pub mod setting;
pub mod shop5;
pub mod skip;
pub mod supervised;
pub mod tpch;
pub mod tpch_queries;
pub mod tpch_tables;
pub mod wait;
