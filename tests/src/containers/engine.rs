//! A Docker Engine: the one that runs here, else one that is started for this test process alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use nix::unistd::geteuid;

use crate::{binaries, skip::skipped, wait};

/// Ends the engine with all its containers when the test process is gone, however that came: its end of the pipe
/// closes then. `$0` is the directory, `$1` the client, `$2` the address.
const SUPERVISE: &str = r#"
    dockerd --host "$2" --data-root "$0/data" --exec-root "$0/exec" --pidfile "$0/pid" --bridge none \
        --default-address-pool base=10.213.0.0/16,size=26 >"$0/log" 2>&1 &
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
    /// Where it listens, if not at the default address.
    host: Option<String>,
    /// Its standard input is held open for as long as this process lives.
    _supervisor: Option<Child>,
}

impl Engine {
    /// The engine of this process, with the images of the programs that the tests run; `None` after saying that `test` is
    /// skipped, where there is none.
    pub async fn get(test: &str) -> Option<&'static Self> {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _one_at_a_time = STARTING.lock().await;
        if ENGINE.get().is_none() {
            if !geteuid().is_root() {
                skipped(test, "volumes for other users, and a Docker Engine, need root");
                return None;
            }
            let Some(client) = client() else {
                skipped(test, "Docker is not installed (see make tools)");
                return None;
            };
            let engine = Self { client, host: None, _supervisor: None };
            let engine = if engine.answers() { engine } else { engine.start().await };
            engine.build_images();
            let _ = ENGINE.set(engine);
        }
        ENGINE.get()
    }

    async fn start(self) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory").keep();
        let host = format!("unix://{}/socket", directory.display());
        let supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISE])
            .args([&directory, &self.client])
            .arg(&host)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let engine = Self { host: Some(host), _supervisor: Some(supervisor), ..self };
        wait::until("the Docker Engine answers", || async {
            let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
            if engine.answers() { Ok(()) } else { Err(log()) }
        })
        .await;
        engine
    }

    fn answers(&self) -> bool {
        self.command().args(["version", "--format", "{{.Server.Version}}"]).output().is_ok_and(|o| o.status.success())
    }

    /// From the very programs that the tests run: they are not compiled for it again.
    fn build_images(&self) {
        let mut script = Command::new(binaries::root().join("k8s/images"));
        script.env("DOCKER", &self.client).env("PREBUILT", binaries::directory());
        if let Some(host) = &self.host {
            script.env("DOCKER_HOST", host);
        }
        let output = script.output().expect("k8s/images can be run");
        assert!(output.status.success(), "k8s/images: {}", String::from_utf8_lossy(&output.stderr));
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
        output.map(|o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned()).unwrap_or_default()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.client);
        if let Some(host) = &self.host {
            command.args(["--host", host]);
        }
        command
    }
}

/// The client that comes with the engine, since another may want plugins; else any.
fn client() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.exists());
    let beside = |daemon: PathBuf| Some(daemon.parent()?.join("docker")).filter(|path| path.exists());
    let of_debian = Some(Path::new("/usr/bin/docker").to_owned()).filter(|path| path.exists());
    found("dockerd").and_then(|daemon| beside(daemon).or(of_debian)).or_else(|| found("docker"))
}
