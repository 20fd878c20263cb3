//! A mesh as `tributary up` runs it: one supervisor, and the children that it restarts.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{binaries, clients::Clients, mesh::own_loopback_address, process::resident_bytes, wait};

/// Names of the children, each also the name of its data directory, with its port.
pub const CHILDREN: [(&str, u16); 7] = [
    ("customers", 50051),
    ("catalog", 50052),
    ("inventory", 50053),
    ("payments", 50055),
    ("orders", 50054),
    ("shipping", 50056),
    ("query-gateway", 50050),
];

/// Where a child listens on its host.
pub fn port(name: &str) -> u16 {
    CHILDREN.iter().find(|(child, _)| *child == name).map(|(_, port)| *port).expect("a child")
}

/// `tributary up`, running; everything ends and vanishes when it is dropped.
#[derive(Debug)]
pub struct Supervised {
    root: TempDir,
    host: String,
    arguments: Vec<String>,
    up: Option<Child>,
}

impl Supervised {
    /// Starts `tributary up` on an address and a data directory of its own, and waits until it says that it is ready.
    pub async fn start() -> Self {
        let mut supervised = Self::new(&[]);
        supervised.restart().await;
        supervised
    }

    /// To be started by [`Supervised::restart`], with these arguments behind `up`.
    pub fn new(arguments: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { root, host: own_loopback_address(), arguments, up: None }
    }

    /// Starts `up`, for the first time or after it was ended, and waits until it is ready.
    pub async fn restart(&mut self) {
        assert!(self.up.is_none(), "up still runs");
        let ready = self.root.path().join("ready");
        let _ = fs::remove_file(&ready);
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        let printed = File::create(self.root.path().join("printed")).expect("a file");
        let up = Command::new(binaries::path("tributary"))
            .args(["up", "--host", &self.host, "--ready-file"])
            .arg(&ready)
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(&self.arguments)
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .current_dir(binaries::root())
            .stdin(Stdio::null())
            .stdout(printed)
            .stderr(log)
            .spawn()
            .expect("tributary starts");
        let pid = up.id();
        self.up = Some(up);
        wait::until("up is ready", || async {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(!stat.contains(") Z "), "up ended at once:\n{}", self.log_tail());
            if ready.exists() { Ok(()) } else { Err(self.log_tail()) }
        })
        .await;
    }

    /// `kill -9` of `up` itself; waits until it and all its children are gone.
    pub async fn kill_up(&mut self) {
        let children: Vec<_> = CHILDREN.iter().filter_map(|(name, _)| self.pid_of(name)).collect();
        let mut up = self.up.take().expect("up runs");
        up.kill().expect("a child can be killed");
        up.wait().expect("a child can be waited for");
        wait::until("no orphan is left", || async {
            let left: Vec<_> = children.iter().filter(|pid| kill(**pid, None) != Err(Errno::ESRCH)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }

    /// `kill -9` of a child; `up` is to start it again.
    pub fn kill_child(&self, name: &str) -> bool {
        self.signal_child(name, Signal::SIGKILL)
    }

    /// Sends a child a signal; false if it is not there.
    pub fn signal_child(&self, name: &str, signal: Signal) -> bool {
        self.pid_of(name).is_some_and(|pid| kill(pid, signal).is_ok())
    }

    /// Sends `up` a signal and gives its exit code.
    pub fn signal(&mut self, signal: Signal) -> Option<i32> {
        let mut up = self.up.take().expect("up runs");
        kill(Pid::from_raw(i32::try_from(up.id()).expect("a pid")), signal).expect("up can be signalled");
        up.wait().expect("a child can be waited for").code()
    }

    /// Clients of all its services.
    pub fn clients(&self) -> Clients {
        Clients::connect(|name| self.url(name))
    }

    /// `host:port` of a child.
    pub fn address(&self, name: &str) -> String {
        format!("{}:{}", self.host, port(name))
    }

    /// Resident memory of a child in bytes.
    pub fn resident_bytes(&self, name: &str) -> u64 {
        resident_bytes(self.pid_of(name).expect("the child runs"))
    }

    /// Where it listens.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The data directory of the mesh.
    pub fn data_dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// What `up` has printed on stdout since it was started.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.root.path().join("printed")).unwrap_or_default()
    }

    /// What `up` has said on stderr, its last lines.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}", self.address(name))
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("up.log")
    }

    /// From the lock that the child holds on its data directory: its first word is the process id.
    fn pid_of(&self, name: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.data_dir().join(name).join("lock")).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Pid::from_raw)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if let Some(up) = &mut self.up {
            if std::thread::panicking() {
                eprintln!("--- up ---\n{}", self.root.path().display());
                eprintln!("{}", fs::read_to_string(self.root.path().join("up.log")).unwrap_or_default());
            }
            let _ = up.kill();
            let _ = up.wait();
        }
    }
}
