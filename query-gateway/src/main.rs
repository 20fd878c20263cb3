//! Runs the query gateway.

use std::process::ExitCode;

fn main() -> ExitCode {
    tributary_chassis::run(query_gateway::start)
}
