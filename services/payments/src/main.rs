//! The payments service as a process.

fn main() -> std::process::ExitCode {
    tributary_chassis::run(payments::start)
}
