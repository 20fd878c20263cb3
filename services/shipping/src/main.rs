//! The shipping service as a process.

fn main() -> std::process::ExitCode {
    tributary_chassis::run(shipping::start)
}
