//! A Docker Engine for this test process alone, in a network of its own: what it makes of bridges and rules of a firewall is
//! seen by nobody else, and gone with it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use nix::unistd::geteuid;
use tempfile::TempDir;
use test_prerequisites::postgres;

use super::postgres_image;
use crate::{binaries, skip::skipped, wait};

/// As overlays/postgres calls it.
pub(super) const POSTGRES_IMAGE: &str = "postgres:17";

/// Ends the engine with all its containers when the test process is gone, however that came: its end of the pipe
/// closes then. `$0` is the directory, `$1` the client, `$2` the address.
const SUPERVISE: &str = r#"
    unshare --net dockerd --host "$2" --data-root "$0/data" --exec-root "$0/exec" --pidfile "$0/pid" \
        --bridge none --default-address-pool base=10.214.0.0/16,size=26 >"$0/log" 2>&1 &
    engine=$!
    cat >/dev/null
    "$1" --host "$2" ps --all --quiet | xargs --no-run-if-empty "$1" --host "$2" rm --force >/dev/null 2>&1
    kill $engine
    wait $engine
    rm -rf "$0"
"#;

/// An engine that answers.
#[derive(Debug)]
pub struct Engine {
    client: PathBuf,
    host: String,
    /// The network in which its containers can be reached.
    network: File,
    /// Its standard input is held open for as long as this process lives.
    _supervisor: Child,
}

impl Engine {
    /// The engine of this process, with the images of the programs that the tests run; `None` after saying that `test` is
    /// skipped, where there can be none.
    pub async fn get(test: &str) -> Option<&'static Self> {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _one_at_a_time = STARTING.lock().await;
        if ENGINE.get().is_none() {
            if !geteuid().is_root() {
                skipped(test, "a Docker Engine, and volumes of other users, need root");
                return None;
            }
            let Some(client) = client() else {
                skipped(test, "Docker Engine is not installed (see make tools)");
                return None;
            };
            let engine = Self::start(client).await;
            engine.build_images();
            let _ = ENGINE.set(engine);
        }
        ENGINE.get()
    }

    async fn start(client: PathBuf) -> Self {
        let directory = tempfile::tempdir().map(TempDir::keep).expect("a temporary directory");
        let host = format!("unix://{}/socket", directory.display());
        let supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISE])
            .args([&directory, &client])
            .arg(&host)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        wait::until("the Docker Engine answers", || async {
            let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
            if answers(&client, &host) { Ok(()) } else { Err(log()) }
        })
        .await;
        let pid = fs::read_to_string(directory.join("pid")).expect("the engine writes its pid");
        let network = File::open(format!("/proc/{}/ns/net", pid.trim())).expect("the engine has a network");
        Self { client, host, network, _supervisor: supervisor }
    }

    /// The network in which its containers can be reached.
    pub(super) fn network(&self) -> &File {
        &self.network
    }

    /// From the very programs that the tests run: they are not compiled for it again.
    fn build_images(&self) {
        let mut script = Command::new(binaries::root().join("k8s/images"));
        script.env("DOCKER", &self.client).env("DOCKER_HOST", &self.host);
        script.env("PREBUILT", binaries::directory());
        let output = script.output().expect("k8s/images can be run");
        assert!(output.status.success(), "k8s/images: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Sees to it that the image of PostgreSQL of the manifests is here; `false` after saying that `test` is skipped, where
    /// PostgreSQL is not installed.
    pub fn has_postgres(&self, test: &str) -> bool {
        let Some(programs) = postgres::newest() else {
            skipped(test, "PostgreSQL is not installed (see make tools)");
            return false;
        };
        static BUILT: OnceLock<()> = OnceLock::new();
        BUILT.get_or_init(|| postgres_image::build(self, &programs, POSTGRES_IMAGE));
        true
    }

    /// Builds an image of a directory with a Dockerfile.
    pub(super) fn build(&self, directory: &Path, name: &str) {
        let mut build = self.command();
        // By the client itself, as k8s/images does it.
        build.env("DOCKER_BUILDKIT", "1").args(["build", "--tag", name]).arg(directory);
        let output = build.output().expect("docker can be run");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What `docker ARGUMENTS` prints; panics with what it says when it fails.
    pub fn run<I: AsRef<str>>(&self, arguments: &[I]) -> String {
        self.attempt(arguments).unwrap_or_else(|why| panic!("{why}"))
    }

    /// What `docker ARGUMENTS` prints, or what it says when it fails.
    pub fn attempt<I: AsRef<str>>(&self, arguments: &[I]) -> Result<String, String> {
        let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        let output = self.command().args(&arguments).output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(format!("docker {}: {}", arguments.join(" "), text(&output.stderr)))
        }
    }

    /// What a container has written to stdout and stderr, its last lines.
    pub fn log_tail(&self, container: &str) -> String {
        let output = self.command().args(["logs", "--tail", "20", container]).output();
        output
            .map(|o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned())
            .unwrap_or_default()
    }

    fn command(&self) -> Command {
        command(&self.client, &self.host)
    }
}

fn command(client: &Path, host: &str) -> Command {
    let mut command = Command::new(client);
    command.args(["--host", host]);
    command
}

fn answers(client: &Path, host: &str) -> bool {
    let asked = command(client, host).args(["version", "--format", "{{.Server.Version}}"]).output();
    asked.is_ok_and(|output| output.status.success())
}

/// The client that comes with the engine, since another may want plugins that are not there; `None` without an engine.
fn client() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let daemon = std::env::split_paths(&paths).map(|path| path.join("dockerd")).find(|path| path.exists())?;
    let beside = daemon.parent()?.join("docker");
    [beside, PathBuf::from("/usr/bin/docker")].into_iter().find(|path| path.exists())
}
