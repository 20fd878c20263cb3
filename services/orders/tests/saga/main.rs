//! The saga of an order under everything that can go wrong: real gRPC, a real store, the real customers and
//! catalog, a feed that stands in for shipping, and stand-ins of inventory and payments to whose calls things
//! happen. Whatever happens, every order comes to its end, nobody is charged twice, and no goods are lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

mod audit;
mod fulfilment;
mod late;
mod matrix;
mod metrics;
mod migration;
mod mutants;
mod random;
mod service;
mod shop;
#[path = "../standins/all.rs"]
mod standins;
mod stopping;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}
