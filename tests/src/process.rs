//! One real process of the mesh: start, kill, start again at the same address.

use std::{
    fs::{self, File},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use test_prerequisites::postgres::store_flags;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{binaries, http, wait};

/// The flags by which a gateway of this test program keeps its store.
pub async fn gateway_store(root: &Path) -> Vec<String> {
    let this = std::env::current_exe().expect("the test binary knows where it is");
    let name = this.file_name().and_then(|name| name.to_str()).expect("it has a name");
    // Cargo puts a digest behind the name.
    let program = name.rsplit_once('-').map_or(name, |(program, _)| program);
    store_flags(program, root).await
}

/// A program with its data directory and its address.
#[derive(Debug)]
pub struct Process {
    name: String,
    data_dir: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    address: String,
    child: Option<Child>,
}

impl Process {
    /// Starts `program` with a data directory of its own below `root`, on a free port of `host`, and waits until it
    /// is healthy.
    pub async fn start(program: &str, name: &str, root: &Path, host: &str, arguments: Vec<String>) -> Self {
        Self::start_with(program, name, root, host, arguments, &[]).await
    }

    /// A gateway; of a test program whose name ends in `_on_postgres`, in a database that belongs to `root`.
    pub async fn start_gateway(root: &Path, host: &str, arguments: Vec<String>) -> Self {
        let arguments = [arguments, gateway_store(root).await].concat();
        Self::start("query-gateway", "gateway", root, host, arguments).await
    }

    /// With variables of its environment, at an address that others were told already.
    pub async fn start_at(
        program: &str,
        root: &Path,
        address: &str,
        arguments: Vec<String>,
        environment: &[(String, String)],
    ) -> Self {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut process = Self::new(program, program, root, address, arguments, &environment);
        process.restart().await;
        process
    }

    /// The same with variables of its environment.
    pub async fn start_with(
        program: &str,
        name: &str,
        root: &Path,
        host: &str,
        arguments: Vec<String>,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut process = Self::new(program, name, root, &format!("{host}:0"), arguments, environment);
        process.restart().await;
        process
    }

    fn new(
        program: &str,
        name: &str,
        root: &Path,
        address: &str,
        arguments: Vec<String>,
        environment: &[(&str, &str)],
    ) -> Self {
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let data_dir = root.join(name);
        fs::create_dir_all(&data_dir).expect("a data directory");
        let name = program.to_owned();
        Self { name, data_dir, arguments, environment, address: address.to_owned(), child: None }
    }

    /// Starts another instance of the same program, with the same flags, which must share its store by them.
    pub async fn another(&self) -> Self {
        let (root, host) = (self.data_dir.parent().expect("a root"), self.host());
        let name = format!("{}-again", self.name);
        let mut another =
            Self::new(&self.name, &name, root, &format!("{host}:0"), self.arguments.clone(), &[]);
        another.environment.clone_from(&self.environment);
        another.restart().await;
        another
    }

    fn host(&self) -> IpAddr {
        self.address.parse::<SocketAddr>().expect("an address").ip()
    }

    /// Starts again what was killed, at the same address, and waits until it is healthy.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "{} still runs", self.name);
        self.launch();
        let path = self.data_dir.join("address");
        let text = wait::until(&format!("{} has written its address", self.name), || async {
            self.log_tail_if_dead();
            fs::read_to_string(&path).map_err(|error| format!("{error}; {}", log_tail(&self.data_dir)))
        })
        .await;
        let grpc = text.lines().find_map(|line| line.strip_prefix("grpc ")).expect("a line `grpc HOST:PORT`");
        self.address = grpc.to_owned();
        self.wait_healthy().await;
    }

    fn launch(&mut self) {
        // Left behind by a kill: it would be taken for the new one's.
        let _ = fs::remove_file(self.data_dir.join("address"));
        let host = self.host();
        let log =
            File::options().create(true).append(true).open(log_path(&self.data_dir)).expect("a log file");
        let child = Command::new(binaries::path(&self.name))
            .args(["--listen", &self.address, "--admin-listen", &format!("{host}:0")])
            .arg("--data-dir")
            .arg(&self.data_dir)
            .arg("--exit-with-parent")
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
    }

    /// Waits until the health service says SERVING.
    pub async fn wait_healthy(&self) {
        let client = HealthClient::new(self.channel());
        wait::until(&format!("{} is healthy", self.name), || {
            let mut client = client.clone();
            async move {
                let reply =
                    client.check(HealthCheckRequest::default()).await.map_err(|status| status.to_string())?;
                match reply.into_inner().status() {
                    ServingStatus::Serving => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            }
        })
        .await;
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the process runs");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a child can be signalled");
    }

    /// Asks the process to end and gives its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().expect("the process runs");
        // Waiting closes it, which says that the parent died: to a process that would drain, and say goodbye.
        let _stdin = child.stdin.take();
        child.wait().expect("a child can be waited for").code()
    }

    /// The process id.
    pub fn pid(&self) -> Pid {
        let id = self.child.as_ref().expect("the process runs").id();
        Pid::from_raw(i32::try_from(id).expect("a pid"))
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it keeps its store.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A connection that is made at the first call, and again after a restart.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url()).expect("a URL").connect_lazy()
    }

    /// What its admin port shows of its metrics, in the text format of Prometheus.
    pub async fn metrics(&self) -> String {
        let addresses = fs::read_to_string(self.data_dir.join("address")).expect("its addresses");
        let admin =
            addresses.lines().find_map(|line| line.strip_prefix("admin ")).expect("`admin HOST:PORT`");
        let (status, text) = http::get(admin, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        text
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(&self.data_dir)).unwrap_or_default()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(self.pid())
    }

    fn log_tail_if_dead(&self) {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        assert!(!stat.contains(") Z "), "{} ended at once:\n{}", self.name, log_tail(&self.data_dir));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if std::thread::panicking() {
                eprintln!("--- {} ---\n{}", self.name, log_tail(&self.data_dir));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs on Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number of kB");
    kib * 1024
}

fn log_path(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("log")
}

fn log_tail(data_dir: &Path) -> String {
    let text = fs::read_to_string(log_path(data_dir)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
