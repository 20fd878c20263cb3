//! Runs the query gateway.

use std::process::ExitCode;

fn main() -> ExitCode {
    tributary_chassis::run_checked(query_gateway::check, query_gateway::start)
}
