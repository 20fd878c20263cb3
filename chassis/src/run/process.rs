//! This test binary, started again as a service.

use std::{
    fs::{self, File},
    io::Read as _,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::CommandFactory as _;

use super::*;
use crate::{
    feed::{memory, stored::Notes},
    outbox::Outbox,
    puppet::Puppet,
    settings::OutboxArgs,
};

/// Tells the test [`child`] that it is the service, and with which arguments.
const CHILD: &str = "TRIBUTARY_TEST_CHILD";

#[derive(clap::Parser)]
#[command(name = "puppet", mut_arg("listen", |arg| arg.default_value("127.0.0.1:0")))]
struct Config {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    outbox: OutboxArgs,
    /// What to do before serving.
    #[arg(long, default_value = "")]
    first: String,
}

impl AsRef<ServerArgs> for Config {
    fn as_ref(&self) -> &ServerArgs {
        &self.server
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    match config.first.as_str() {
        "usage" => Err(StartError::usage("--first", "usage", "give another")),
        _ => Ok(()),
    }
}

async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    match config.first.as_str() {
        "fail" => return Err(StartError::new("opening the store", io::Error::other("no such disk"))),
        "late usage" => return Err(StartError::usage("--first", "late usage", "give another")),
        "hang" => pending().await,
        "publish" => {
            let outbox = Outbox::open_sled::<Notes>(config.outbox.outbox(&server)).await?;
            server.publish(&outbox, memory::descriptors(), config.outbox.feed());
        }
        _ => _ = server.add_service(Puppet::new().server()),
    }
    server.serve().await
}

/// Not a test, but the service that the tests start.
#[test]
fn child() {
    if let Ok(arguments) = env::var(CHILD) {
        let arguments = ["puppet"].into_iter().chain(arguments.split_terminator('\n')).map(OsString::from);
        std::process::exit(run_with(Config::command(), arguments, check, start).into());
    }
}

/// A service that was started; killed when it is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    directory: tempfile::TempDir,
}

impl Process {
    /// With these arguments, and these variables beside TRIBUTARY_DATA_DIR.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let error = File::create(directory.path().join("stderr")).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "run::process::child", "--nocapture"])
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

    pub(crate) fn stderr(&self) -> String {
        let mut text = String::new();
        File::open(self.directory.path().join("stderr")).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn address_file(&self) -> PathBuf {
        self.data_dir().join("address")
    }

    /// The addresses for gRPC and for the admin port, once it serves.
    pub(crate) fn addresses(&mut self) -> (SocketAddr, SocketAddr) {
        self.wait_for("serving", |process| process.address_file().exists());
        let text = fs::read_to_string(self.address_file()).unwrap();
        let address = |name| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap();
        (address("grpc "), address("admin "))
    }

    pub(crate) fn wait_for(&mut self, what: &str, mut check: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !check(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen: {}", self.stderr());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn wait_for_log(&mut self, text: &str) {
        self.wait_for(text, |process| process.stderr().contains(text));
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
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
