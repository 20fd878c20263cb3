//! `tributary up`.

mod jaeger;
mod plan;
mod preflight;
mod ready;
mod watch;

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::BoolishValueParser};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::Instant,
};
use tributary_chassis::settings::{duration, positive_duration};

use self::{
    jaeger::Jaeger,
    watch::{Reports, Watch},
};
use crate::{failure::Failure, mesh::Mesh, supervisor::Supervisor, terminal};

/// How much longer than its own drain a server may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Run the mesh, each server a process of its own, until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Starts every server, starts again what dies, and waits until all are healthy and the query \
gateway has caught up; then prints where they are and what to try, with `ready` as the last line.

Logs go to DIR/logs; warnings and errors also to the terminal. Variables TRIBUTARY_* that are no \
flags of `up` go on to the servers.

With --jaeger, Jaeger v2 runs beside the servers, and each sends it every trace: shown at port 16686 of \
the host, or at another if that is taken, and kept in memory. It is refused together with \
OTEL_EXPORTER_OTLP_ENDPOINT.

The first Ctrl-C drains all servers, the second kills them. If `up` itself is killed, they end too.

Exit codes:
  0    drained after SIGTERM
  1    a port or the data directory is in use, or the mesh did not get ready
  130  ended by Ctrl-C, drained after the first and killed after the second

Examples:
  tributary up
  tributary up --data-dir /var/tmp/shop --verbose
  tributary up --jaeger                                     with Jaeger, which `make tools` builds
  tributary up --host 127.0.0.2 --data-dir ./.tributary-2   a second mesh
  tributary up --service reviews=50057                      with a service of your own
  TRIBUTARY_FEED_RETAIN=10000 tributary up")]
pub(crate) struct Up {
    /// Directory of everything that is kept: one below it per server, and the logs.
    #[arg(long, env = "TRIBUTARY_DATA_DIR", default_value = "./.tributary", value_name = "DIR")]
    data_dir: PathBuf,

    /// Directory of the servers' programs [default: the directory of this program].
    #[arg(long, env = "TRIBUTARY_BIN_DIR", value_name = "DIR")]
    bin_dir: Option<PathBuf>,

    /// Directory of the gateway's views [default: query-gateway/views of the project].
    #[arg(long, env = "TRIBUTARY_VIEWS", value_name = "DIR")]
    views: Option<PathBuf>,

    /// Proto of typed queries; may be repeated [default: all in proto/shop/shop/insights/v1 of the project].
    #[arg(long, env = "TRIBUTARY_API", value_name = "FILE", value_delimiter = ',')]
    api: Vec<PathBuf>,

    /// Source that the gateway shall take as it is now, though its service or schema is another; may be repeated.
    #[arg(long, env = "TRIBUTARY_RESNAPSHOT", value_name = "NAME", value_delimiter = ',')]
    resnapshot: Vec<String>,

    /// How long the mesh may take to get ready.
    #[arg(long, env = "TRIBUTARY_START_TIMEOUT", default_value = "2m", value_name = "TIME", value_parser = positive_duration)]
    start_timeout: Duration,

    /// How long a server may take for calls under way when it is ended.
    #[arg(long, env = "TRIBUTARY_DRAIN_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = duration)]
    drain_timeout: Duration,

    /// File to write when the mesh is ready, with the URL of each server; removed at the end.
    #[arg(long, env = "TRIBUTARY_READY_FILE", value_name = "FILE")]
    ready_file: Option<PathBuf>,

    /// Run Jaeger too and send it every trace [default PATH: .tools/bin/jaeger of the project, else the one in PATH].
    #[arg(long, env = "TRIBUTARY_JAEGER", value_name = "PATH", num_args = 0..=1, require_equals = true)]
    jaeger: Option<Option<PathBuf>>,

    /// Show every line of the logs.
    #[arg(short, long, env = "TRIBUTARY_VERBOSE", value_parser = BoolishValueParser::new())]
    verbose: bool,
}

pub(crate) async fn run(mesh: &Mesh, up: Up) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let jaeger = up.jaeger.as_ref().map(|given| Jaeger::find(mesh, given.as_deref())).transpose()?;
    let members = plan::members(mesh, &up, jaeger.as_ref())?;
    // Held to the end: one mesh per data directory.
    let _lock = tokio::select! {
        checked = preflight::check(mesh, &up.data_dir) => checked?,
        end = signals.next() => return end,
    };
    if jaeger.is_some() {
        jaeger::write_config(&up.data_dir)?;
    }
    if let Some(path) = &up.ready_file {
        // Of a mesh that was killed.
        ready::remove_file(path)
            .map_err(|error| Failure::failed(format!("--ready-file {}: {error}", path.display())))?;
    }
    let names: Vec<_> = members.iter().map(|member| member.name).collect();
    let (sender, mut events) = mpsc::channel(256);
    let supervisor = Supervisor::start(members, up.drain_timeout + GRACE, up.verbose, sender);
    let mut watch = Watch::new(mesh, &up, jaeger.as_ref(), &names);
    let outcome = tokio::select! {
        failure = watch.run(&mut events) => Err(failure),
        end = signals.next() => {
            terminal::say("draining; Ctrl-C again kills");
            end
        }
    };
    watch.end();
    let outcome = end(supervisor, &watch, &mut events, &mut signals, outcome).await;
    watch.conclude(&mut events);
    outcome
}

/// Drains the mesh, or kills it when told so.
async fn end(
    supervisor: Supervisor,
    watch: &Watch<'_>,
    events: &mut Reports,
    signals: &mut Signals,
    outcome: Result<(), Failure>,
) -> Result<(), Failure> {
    let now = supervisor.now();
    let drain = supervisor.drain();
    tokio::pin!(drain);
    tokio::select! {
        () = &mut drain => return outcome,
        () = watch.narrate(events) => return outcome,
        _ = signals.next() => now.cancel(),
    }
    tokio::select! {
        () = drain => {}
        () = watch.narrate(events) => {}
    }
    Err(Failure::interrupted())
}

/// A wrapper that passes Ctrl-C on, as timeout(1) does, sends the same one twice: what follows this soon is
/// not meant as a second one.
const SAME: Duration = Duration::from_millis(500);

/// What asks `up` to end.
struct Signals {
    last: Option<Instant>,
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("signals cannot be listened to: {error}")))
        };
        Ok(Self {
            last: None,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them; gives what `up` ends with if all goes well from there.
    async fn next(&mut self) -> Result<(), Failure> {
        loop {
            let end = tokio::select! {
                _ = self.interrupt.recv() => Err(Failure::interrupted()),
                _ = self.terminate.recv() => Ok(()),
                _ = self.hangup.recv() => Ok(()),
            };
            if self.last.is_none_or(|last| last.elapsed() > SAME) {
                self.last = Some(Instant::now());
                return end;
            }
        }
    }
}
