//! The inventory service as a process.

fn main() -> std::process::ExitCode {
    tributary_chassis::run(inventory::start)
}
