//! The command line of Tributary: runs the mesh, and talks to running servers through gRPC alone.
//!
//! stdout carries answers and nothing else; whatever is said about them goes to stderr.

mod args;
mod as_of;
mod command;
mod directory;
mod dynamic;
mod endpoint;
mod failure;
mod gateway;
mod input;
mod log;
mod mesh;
mod process;
mod progress;
mod project;
mod reflection;
mod render;
mod request_id;
mod sagas;
mod screen;
mod suggest;
mod supervisor;
mod terminal;
mod transfer;
mod unary;

use std::process::ExitCode;

use clap::Parser as _;

pub use crate::mesh::{GATEWAY, Role, SERVERS, Server};
use crate::{
    args::{Arguments, Command},
    failure::Failure,
};

/// Parses the command line, runs one command, and gives its exit code.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::of_parsing(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("the runtime cannot be started: {error}")).report(),
    };
    let outcome = runtime.block_on(dispatch(arguments));
    // A thread that waits for stdin would never end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let mesh = mesh::Mesh::new(arguments.host).with(&arguments.services)?;
    match arguments.command {
        // Ends its children before itself, so it sees to signals on its own.
        Command::Up(up) => command::up::run(&mesh, up).await,
        // Says how to go on, so it does the same.
        Command::Load(load) => command::load::run(&mesh, load).await,
        Command::Call(call) => interruptible(command::call::run(&mesh, call)).await,
        Command::List(list) => interruptible(command::list::run(&mesh, list)).await,
        Command::Query(query) => interruptible(command::query::run(&mesh, query)).await,
        Command::Status(status) => interruptible(command::status::run(&mesh, status)).await,
        Command::View(view) => interruptible(command::view::run(&mesh, view)).await,
        Command::Explain(explain) => interruptible(command::explain::run(&mesh, explain)).await,
        Command::Demo(demo) => interruptible(command::demo::run(&mesh, demo)).await,
        // Whatever they leave unfinished, the next one who opens the store sees to.
        Command::Backup(backup) => interruptible(command::backup::run(backup)).await,
        Command::Restore(restore) => interruptible(command::restore::run(restore)).await,
        Command::Completions(completions) => command::completions::run(&completions),
    }
}

/// Ctrl-C drops the command where it stands: none of these owns anything that outlives the process.
async fn interruptible(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        outcome = command => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    }
}
