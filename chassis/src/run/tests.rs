//! Whole processes: this test binary, started again as a service.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::puppet::Puppet;

/// Tells the test [`child`] that it is the service, and with which arguments.
const CHILD: &str = "TRIBUTARY_TEST_CHILD";

#[derive(clap::Parser)]
#[command(name = "puppet", mut_arg("listen", |arg| arg.default_value("127.0.0.1:0")))]
struct Config {
    #[command(flatten)]
    server: ServerArgs,
    /// What to do before serving.
    #[arg(long, default_value = "")]
    first: String,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}

async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    match config.first.as_str() {
        "fail" => return Err(StartError::new("opening the store", io::Error::other("no such disk"))),
        "usage" => return Err(StartError::usage("--first", "usage", "give another")),
        "hang" => pending().await,
        _ => {}
    }
    server.add_service(Puppet::new().server());
    server.serve().await
}

/// Not a test, but the service that the tests start.
#[test]
fn child() {
    if let Ok(arguments) = env::var(CHILD) {
        let arguments = ["puppet"].into_iter().chain(arguments.split_terminator('\n')).map(OsString::from);
        std::process::exit(run_with(arguments, start).into());
    }
}

struct Process {
    child: Child,
    directory: tempfile::TempDir,
}

impl Process {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let error = File::create(directory.path().join("stderr")).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "run::tests::child", "--nocapture"])
            .env(CHILD, arguments.join("\n"))
            .env("TRIBUTARY_DATA_DIR", directory.path().join("data"))
            .env_remove("RUST_LOG")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(error)
            .spawn()
            .unwrap();
        Self { child, directory }
    }

    fn stderr(&self) -> String {
        let mut text = String::new();
        File::open(self.directory.path().join("stderr")).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn address_file(&self) -> PathBuf {
        self.directory.path().join("data/address")
    }

    fn wait_for(&mut self, what: &str, mut check: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !check(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen: {}", self.stderr());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_for_log(&mut self, text: &str) {
        self.wait_for(text, |process| process.stderr().contains(text));
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn end(&mut self) -> ExitStatus {
        let mut status = None;
        self.wait_for("the end", |process| {
            status = process.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, which is what most tests want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn fails(arguments: &[&str], environment: &[(&str, &str)], code: i32, texts: &[&str]) {
    let mut process = Process::start(arguments, environment);
    assert_eq!(process.end().code(), Some(code), "{arguments:?} {}", process.stderr());
    for text in texts {
        assert!(process.stderr().contains(text), "{text}: {}", process.stderr());
    }
}

#[test]
fn wrong_values_are_named_and_nothing_is_bound() {
    let usage = i32::from(USAGE);
    fails(&["--listen", "nowhere"], &[], usage, &["'nowhere'", "--listen"]);
    fails(&["--drain-timeout", "10"], &[], usage, &["'10'", "--drain-timeout", "unit"]);
    fails(&["--max-in-flight", "0"], &[], usage, &["'0'", "--max-in-flight", "from 1"]);
    fails(&["--listen", "127.0.0.1:65000"], &[], usage, &["127.0.0.1:65000", "--admin-listen"]);
    fails(&["--unknown"], &[], usage, &["--unknown"]);
    fails(&["--first", "usage"], &[], usage, &["'usage'", "--first", "give another"]);
    fails(&[], &[("TRIBUTARY_DEFAULT_DEADLINE", "0s")], usage, &["'0s'", "--default-deadline"]);
    fails(&[], &[("RUST_LOG", "info,=x=")], usage, &["RUST_LOG", "info,=x="]);
    fails(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")], usage, &["OTEL_EXPORTER_OTLP_ENDPOINT"]);
}

#[test]
fn help_is_no_failure() {
    fails(&["--help"], &[], 0, &[]);
}

#[test]
fn failures_are_one_line() {
    fails(&["--first", "fail"], &[], i32::from(FAILURE), &["puppet: opening the store: no such disk\n"]);
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let arguments = ["--listen", &address, "--admin-listen", "127.0.0.1:0"];
    let pid = format!("(pid {})", std::process::id());
    fails(&arguments, &[], i32::from(FAILURE), &[&format!("puppet: address {address} is in use by "), &pid]);
}

#[test]
fn the_first_signal_drains() {
    for signal in ["INT", "TERM"] {
        let mut process = Process::start(&[], &[]);
        process.wait_for("serving", |process| process.address_file().exists());
        process.signal(signal);
        assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
        assert!(!process.address_file().exists());
        assert!(process.stderr().contains(&format!("SIG{signal}")));
    }
}

#[test]
fn a_signal_before_serving_ends_it() {
    let mut process = Process::start(&["--first", "hang"], &[]);
    // Nothing tells that signals are listened for, but the admin port's data directory is made before.
    process.wait_for_log("starting");
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
}

#[test]
fn the_second_signal_aborts() {
    let mut process = Process::start(&["--drain-timeout", "1h"], &[]);
    process.wait_for("serving", |process| process.address_file().exists());
    let text = std::fs::read_to_string(process.address_file()).unwrap();
    let address = text.lines().next().unwrap().strip_prefix("grpc ").unwrap();
    // A connection in the middle of its preface is what the drain waits for.
    let mut peer = std::net::TcpStream::connect(address).unwrap();
    peer.write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    process.signal("TERM");
    process.wait_for_log("draining");
    process.signal("INT");
    assert_eq!(process.end().code(), Some(130), "{}", process.stderr());
}

#[test]
fn it_ends_with_its_parent_where_asked_to() {
    let mut process = Process::start(&["--exit-with-parent"], &[]);
    process.wait_for("serving", |process| process.address_file().exists());
    drop(process.child.stdin.take());
    assert_eq!(process.end().code(), Some(129), "{}", process.stderr());
    let mut process = Process::start(&[], &[]);
    drop(process.child.stdin.take());
    process.wait_for("serving", |process| process.address_file().exists());
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
}

#[test]
fn logs_are_plain_off_a_terminal_and_json_where_asked_for() {
    let log = |arguments: &[&str]| {
        let mut process = Process::start(arguments, &[]);
        process.wait_for("serving", |process| process.address_file().exists());
        process.signal("TERM");
        process.end();
        process.stderr()
    };
    let text = log(&[]);
    assert!(text.contains("INFO") && !text.contains('\u{1b}'), "{text}");
    let json = log(&["--log-format", "json"]);
    assert!(json.lines().all(|line| line.starts_with('{') && line.contains(r#""level":"INFO""#)), "{json}");
}

/// A collector that never answers must not keep the process.
#[test]
fn the_end_does_not_wait_for_a_collector() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let mut process = Process::start(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    process.wait_for("serving", |process| process.address_file().exists());
    let start = Instant::now();
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn the_data_directory_is_named_after_the_service() {
    assert_eq!(ServerArgs::default().data_dir_of("puppet"), Path::new(".tributary/puppet"));
}
