//! What tracing costs, and whether all of it arrives: real processes, release build.
//!
//! `make bench BENCH=tracing` has the CPU of a service and of a gateway that follows it, per command, against the same
//! without an exporter: ROUNDS rounds of COMMANDS commands to each configuration in turn.
//! `make bench BENCH=traced-orders` places RATE orders a second for SECONDS, of which it samples SHARE, and panics if a trace
//! of them is not whole.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints"
)]

mod cost;
mod interval;
mod orders;

use mesh_tests::setting::setting;

const BENCHES: [&str; 2] = ["tracing", "traced-orders"];

#[tokio::main]
async fn main() {
    let wanted = std::env::var("BENCH").unwrap_or_default();
    let wants = |name: &str| wanted == name || wanted.is_empty() || wanted == "all";
    if !BENCHES.into_iter().any(wants) {
        println!("no benchmark `{wanted}`: {} or all", BENCHES.join(", "));
        std::process::exit(64);
    }
    if wants("tracing") {
        cost::measure(setting("ROUNDS", 16), setting("COMMANDS", 4_000)).await;
    }
    if wants("traced-orders") {
        orders::measure(setting("RATE", 500), setting("SECONDS", 20), setting("SHARE", 0.01)).await;
    }
}
