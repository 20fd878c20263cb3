//! The orders service, inside of the test or as a process that can be killed.

use std::{
    fs,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use clap::Parser as _;
use orders::Hooks;
use tempfile::TempDir;
use test_prerequisites::postgres::store_flags;
use tonic::transport::{Channel, Endpoint};
use tributary_chassis::testing::Running;

/// Longest wait for a start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service on a store that outlives it.
pub(crate) struct Service {
    flags: Vec<String>,
    dir: TempDir,
    url: String,
    life: Life,
    /// How often it was killed.
    pub(crate) kills: usize,
}

enum Life {
    Inside(Hooks, Option<Running>),
    Process(Option<Child>),
}

impl Service {
    /// Inside of the test.
    pub(crate) async fn inside(flags: Vec<String>, hooks: Hooks) -> Self {
        Self::begin(flags, Life::Inside(hooks, None)).await
    }

    /// As a process.
    pub(crate) async fn process(flags: Vec<String>) -> Self {
        Self::begin(flags, Life::Process(None)).await
    }

    async fn begin(flags: Vec<String>, life: Life) -> Self {
        let dir = TempDir::new().unwrap();
        let flags = [flags, store_flags(env!("CARGO_CRATE_NAME"), dir.path()).await].concat();
        let mut service = Self { flags, dir, url: String::new(), life, kills: 0 };
        service.start().await;
        service
    }

    pub(crate) fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url.clone()).unwrap().connect_lazy()
    }

    /// Where it tells its metrics.
    pub(crate) fn admin(&self) -> String {
        self.port("admin ")
    }

    /// Where its feed is, if that has a port of its own.
    pub(crate) fn feed(&self) -> String {
        self.port("feed ")
    }

    fn port(&self, name: &str) -> String {
        let text = fs::read_to_string(self.dir.path().join("address")).unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
    }

    /// Asks the process to end.
    pub(crate) fn terminate(&self) {
        let Life::Process(Some(child)) = &self.life else { panic!("not a process") };
        let asked = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
        assert!(asked.unwrap().success());
    }

    /// How the process ended, which it was asked to.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let Life::Process(Some(child)) = &mut self.life else { panic!("not a process") };
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "orders does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Kills the process, and starts another on the same store and the same address.
    pub(crate) async fn kill(&mut self) {
        let Life::Process(child) = &mut self.life else { panic!("not a process") };
        let mut child = child.take().expect("a living process");
        // SIGKILL: nothing is written or closed any more.
        child.kill().unwrap();
        child.wait().unwrap();
        self.kills += 1;
        self.start().await;
    }

    /// Stops it in order, and starts it again on what `meanwhile` has made of its store.
    pub(crate) async fn while_stopped(&mut self, meanwhile: impl AsyncFnOnce(&Path)) {
        let Life::Inside(_, running) = &mut self.life else { panic!("a process") };
        running.take().expect("a running service").stop().await;
        meanwhile(self.dir.path()).await;
        self.start().await;
    }

    /// On what it left, at the same address.
    pub(crate) async fn start(&mut self) {
        let flags = self.flags.clone();
        match &mut self.life {
            Life::Inside(hooks, running) => {
                let hooks = hooks.clone();
                let config = orders::Config::parse_from(flags);
                let started = Running::start("orders", self.dir.path(), |server| {
                    orders::start_with(config, server, hooks)
                });
                let started = started.await;
                self.url = started.url().to_owned();
                *running = Some(started);
            }
            Life::Process(child) => {
                // Left behind by a kill, it would be taken for the new one's.
                let file = self.dir.path().join("address");
                let _none = fs::remove_file(&file);
                let listen = self.url.strip_prefix("http://").unwrap_or("127.0.0.1:0").to_owned();
                let started = Command::new(env!("CARGO_BIN_EXE_orders"))
                    .args(&flags[1..])
                    .args(["--listen", &listen, "--admin-listen", "127.0.0.1:0", "--exit-with-parent"])
                    .arg("--data-dir")
                    .arg(self.dir.path())
                    .stdin(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn();
                *child = Some(started.unwrap());
                self.url = format!("http://{}", address(&file).await);
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Life::Process(Some(child)) = &mut self.life {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// The gRPC address that a process tells.
async fn address(file: &Path) -> String {
    let begin = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if let Some(address) = text.lines().find_map(|line| line.strip_prefix("grpc ")) {
            return address.to_owned();
        }
        assert!(begin.elapsed() < PATIENCE, "orders does not start");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
