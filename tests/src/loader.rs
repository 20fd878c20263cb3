//! `tributary load` as a process: run to its end, or ended on the way.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{binaries, wait};

/// A load under way.
#[derive(Debug)]
pub struct Loader {
    child: Child,
    directory: TempDir,
}

impl Loader {
    /// Starts to load a scale of TPC-H into the mesh at `host`.
    pub fn start(host: &str, scale: &str, flags: &[&str]) -> Self {
        Self::run(host, &[&["tpch", "--scale", scale], flags].concat())
    }

    /// Starts to let customers of the mesh at `host` order.
    pub fn shop(host: &str, flags: &[&str]) -> Self {
        Self::run(host, &[&["shop"], flags].concat())
    }

    fn run(host: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = File::create(log(&directory)).expect("a log file");
        let child = Command::new(binaries::path("tributary"))
            .args(["load", "--host", host])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("tributary starts");
        Self { child, directory }
    }

    /// Sends a signal, and gives what became of the process.
    pub fn signal(mut self, signal: Signal) -> Ended {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, signal).expect("a child can be signalled");
        let status = self.child.wait().expect("a child can be waited for");
        self.ended(status)
    }

    /// Waits for the end, as long as it says something new from time to time (every ten seconds).
    pub async fn end(mut self) -> Ended {
        let mut last = String::new();
        loop {
            let status = wait::until("the load ends or gets on", || {
                let (status, text) = (self.child.try_wait().expect("a child can be waited for"), self.said());
                let moved = status.is_some() || text != last;
                last.clone_from(&text);
                async move { if moved { Ok(status) } else { Err(text) } }
            })
            .await;
            if let Some(status) = status {
                return self.ended(status);
            }
        }
    }

    /// Whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(log(&self.directory)).unwrap_or_default()
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        Ended { code: status.code(), signal: status.signal(), said: self.said() }
    }
}

/// How a load ended, and what it said, on stdout and stderr.
#[derive(Debug)]
pub struct Ended {
    /// The exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// All that it said.
    pub said: String,
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(directory: &TempDir) -> PathBuf {
    directory.path().join("log")
}
