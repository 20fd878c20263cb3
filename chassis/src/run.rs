//! The life of a process, in one place: flags, logs, runtime, ports, the service, the end.

#[cfg(test)]
pub(crate) mod process;
#[cfg(test)]
mod tests;

use std::{
    env,
    error::Error,
    ffi::OsString,
    fmt,
    future::{Future, pending},
    io::{self, Write as _},
    process::ExitCode,
    sync::atomic::Ordering,
    thread,
    time::Duration,
};

use clap::{Args as _, FromArgMatches, Parser, error::ErrorKind};

use crate::{
    fault::causes,
    server::Server,
    settings::{ServerArgs, ServiceArgs},
    shutdown, telemetry,
};

/// Exit code of a command line that cannot be right (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// Exit code of anything else that went wrong.
const FAILURE: u8 = 1;
/// What blocks, such as a name look-up, may hold up the end of the process by this much.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a service: `start` opens what it needs and serves, and returns when it is done.
///
/// `C` holds the service's flags, with [`ServerArgs`] flattened in; its command name is the service's
/// name. Every value is checked before a port is bound. Exit codes: 0 after a drain, 64 for a wrong flag
/// or variable, 1 for any other failure with one line that says why, 130 or 143 when a second signal
/// aborted, 129 when the parent died (with `--exit-with-parent`).
pub fn run<C, F, Fut>(start: F) -> ExitCode
where
    C: Parser + AsRef<ServerArgs>,
    F: FnOnce(C, Server) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    run_checked(|_| Ok(()), start)
}

/// [`run`], for flags that only `check` can tell to be right: of files that must be read, or of several
/// together. It answers with [`StartError::usage`].
pub fn run_checked<C, K, F, Fut>(check: K, start: F) -> ExitCode
where
    C: Parser + AsRef<ServerArgs>,
    K: FnOnce(&C) -> Result<(), StartError>,
    F: FnOnce(C, Server) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    run_with(C::command(), env::args_os(), check, start).into()
}

/// [`run`], for a service that has no flags but those of every service: its name, and the address at which it
/// listens where none is given.
pub fn run_service<F, Fut>(name: &'static str, listen: &'static str, start: F) -> ExitCode
where
    F: FnOnce(ServiceArgs, Server) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    run_with(service_command(name, listen), env::args_os(), |_| Ok(()), start).into()
}

fn service_command(name: &'static str, listen: &'static str) -> clap::Command {
    ServiceArgs::augment_args(clap::Command::new(name)).mut_arg("listen", |arg| arg.default_value(listen))
}

fn run_with<C, K, F, Fut>(
    mut command: clap::Command,
    arguments: impl IntoIterator<Item = OsString>,
    check: K,
    start: F,
) -> u8
where
    C: FromArgMatches + AsRef<ServerArgs>,
    K: FnOnce(&C) -> Result<(), StartError>,
    F: FnOnce(C, Server) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    let matches = command.try_get_matches_from_mut(arguments);
    let config = match matches.and_then(|matches| C::from_arg_matches(&matches)) {
        Ok(config) => config,
        Err(error) => return refuse(&error.format(&mut command)),
    };
    let name = command.get_name().to_owned();
    match check(&config).and_then(|()| live(&name, config, start)) {
        Ok(()) => 0,
        Err(StartError(Cause::Usage { subject, value, why })) => {
            let text = format!("invalid value '{value}' for '{subject}': {why}");
            refuse(&command.error(ErrorKind::ValueValidation, text))
        }
        Err(error) => {
            // The logs may go elsewhere or be filtered; this line may not.
            let _ = writeln!(io::stderr(), "{name}: {error}");
            FAILURE
        }
    }
}

fn refuse(error: &clap::Error) -> u8 {
    // Nothing is left to be told it to when standard error is closed.
    let _ = error.print();
    // `--help` and `--version` arrive here too.
    if error.use_stderr() { USAGE } else { 0 }
}

fn live<C, F, Fut>(name: &str, config: C, start: F) -> Result<(), StartError>
where
    C: AsRef<ServerArgs>,
    F: FnOnce(C, Server) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    // With a single worker, an exporter that blocks it would wait for itself.
    let workers = thread::available_parallelism().map_or(2, usize::from).max(2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(|e| StartError::new("starting the runtime", e))?;
    let result = runtime.block_on(async {
        let args = config.as_ref().clone();
        let telemetry = telemetry::start(name, args.log_format)?;
        let result = serve(name, &args, &telemetry, config, start).await;
        telemetry.shutdown().await;
        result
    });
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    result
}

async fn serve<C, F, Fut>(
    name: &str,
    args: &ServerArgs,
    telemetry: &telemetry::Telemetry,
    config: C,
    start: F,
) -> Result<(), StartError>
where
    F: FnOnce(C, Server) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    if args.exit_with_parent {
        shutdown::with_parent()?;
    }
    let server = Server::bind_measured(name, args, Some(telemetry.registry()))?;
    shutdown::on_signals(server.leaving())?;
    tracing::info!(data_dir = %server.data_dir().display(), "starting");
    let (leaving, serving) = (server.leaving(), server.serving());
    let interrupted = async {
        leaving.cancelled().await;
        if serving.load(Ordering::SeqCst) {
            // The server drains, and returns when it has.
            pending().await
        }
    };
    tokio::select! {
        result = start(config, server) => result,
        // Nothing was served yet, so that there is nothing to drain, and nobody to wait for.
        () = interrupted => Ok(()),
    }
}

/// Why a service did not start, or stopped. Any error becomes one by `?`.
///
/// Not an `Error` itself, so that every error can.
pub struct StartError(Cause);

enum Cause {
    Usage { subject: String, value: String, why: String },
    Failed(String),
}

impl StartError {
    /// `operation` failed: "opening the store".
    pub fn new(operation: impl fmt::Display, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Cause::Failed(format!("{operation}: {}", causes(&*source.into()))))
    }

    /// A flag or variable has a value that cannot be right; `why` says what to give.
    pub fn usage(subject: impl Into<String>, value: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self(Cause::Usage { subject: subject.into(), value: value.to_string(), why: why.to_string() })
    }

    /// Anything else that is one sentence.
    pub fn message(text: impl fmt::Display) -> Self {
        Self(Cause::Failed(text.to_string()))
    }
}

impl<E: Error> From<E> for StartError {
    fn from(error: E) -> Self {
        Self(Cause::Failed(causes(&error)))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Usage { subject, value, why } => {
                write!(f, "invalid value '{value}' for '{subject}': {why}")
            }
            Cause::Failed(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
