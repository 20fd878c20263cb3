//! `tributary up` with programs that stand in for the servers: what it says and does when they misbehave. The real
//! mesh is tested with the other servers.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{
    fake::{own_address, until},
    program::{Run, command, tributary},
};

/// A directory of programs, each a shell script.
fn programs(script: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["customers", "catalog", "inventory", "payments", "orders", "shipping", "query-gateway"] {
        let path = directory.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

pub(crate) struct Setting {
    programs: TempDir,
    data: TempDir,
    host: String,
}

impl Setting {
    pub(crate) fn new(script: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { programs: programs(script), data, host: own_address().to_string() }
    }

    pub(crate) fn arguments(&self) -> Vec<&str> {
        vec![
            "--host",
            &self.host,
            "up",
            "--bin-dir",
            self.programs.path().to_str().unwrap(),
            "--data-dir",
            self.data.path().to_str().unwrap(),
        ]
    }

    pub(crate) async fn up(&self, more: &[&str]) -> Run {
        tributary(&[&self.arguments(), more].concat()).await
    }

    /// Where the program of that name is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.path().join(name)
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    fn pid(&self, name: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.data.path().join(format!("{name}.pid"))).ok()?;
        text.trim().parse().ok().map(Pid::from_raw)
    }
}

/// Writes its process id down, then reads stdin to its end as `--exit-with-parent` has it.
fn waiting(data: &Path) -> String {
    format!("echo $$ > {0}/new.$$ && mv {0}/new.$$ {0}/$(basename $0).pid\nexec cat", data.display())
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_user() {
    let setting = Setting::new("exit 0");
    let _taken = TcpListener::bind(format!("{}:51052", setting.host)).unwrap();
    let run = setting.up(&[]).await;
    assert_eq!(run.code, Some(1));
    let who = format!("{}:51052, where catalog is to listen, is in use by", setting.host);
    let pid = format!("(pid {})", std::process::id());
    assert!(run.stderr.contains(&who) && run.stderr.contains(&pid), "{run:?}");
}

#[tokio::test]
async fn a_data_directory_in_use_is_named_with_its_user() {
    let setting = Setting::new("exit 0");
    let pid = format!("(pid {})", std::process::id());
    let lock = tributary_chassis::lock::acquire(&setting.data.path().join("orders")).unwrap();
    let run = setting.up(&[]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("/orders is in use by") && run.stderr.contains(&pid), "{run:?}");
    drop(lock);
    let _lock = tributary_chassis::lock::acquire(setting.data.path()).unwrap();
    let run = setting.up(&[]).await;
    assert!(run.stderr.contains("--data-dir") && run.stderr.contains(&pid), "{run:?}");
}

#[tokio::test]
async fn programs_that_are_not_there_are_named() {
    let setting = Setting::new("exit 0");
    fs::remove_file(setting.programs.path().join("orders")).unwrap();
    let run = setting.up(&[]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("orders not in") && run.stderr.contains("cargo build"), "{run:?}");
}

#[tokio::test]
async fn a_service_that_is_added_is_started_with_the_others() {
    let setting = Setting::new("case $0 in */reviews) echo \"$@\" >&2; exit 64;; *) exec cat;; esac");
    let run = setting.up(&["--service", "reviews=50057"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("reviews not in"), "{run:?}");
    fs::copy(setting.programs.path().join("catalog"), setting.programs.path().join("reviews")).unwrap();
    let run = setting.up(&["--service", "reviews=50057"]).await;
    let told = format!("--listen {0}:50057 --admin-listen {0}:51057", setting.host);
    assert!(run.stderr.contains(&told) && run.stderr.contains("reviews ended with exit code 64"), "{run:?}");
}

#[tokio::test]
async fn a_server_that_refuses_its_command_line_ends_up_with_its_words() {
    let setting = Setting::new("case $0 in */catalog) echo 'bad value' >&2; exit 64;; *) exec cat;; esac");
    let run = setting.up(&[]).await;
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("| bad value") && run.stderr.contains("catalog ended with exit code 64"),
        "{run:?}"
    );
    assert!(run.stderr.contains("logs/catalog.log"), "{run:?}");
}

#[tokio::test]
async fn a_server_that_dies_is_named_with_its_signal_and_started_again() {
    let setting = Setting::new("case $0 in */catalog) kill -9 $$;; *) exec cat;; esac");
    let run = setting.up(&[]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("ended with signal 9 (SIGKILL); it is started again in 250 ms"), "{run:?}");
    assert!(run.stderr.contains("in 2000 ms") && !run.stderr.contains("in 4000 ms"), "{run:?}");
}

#[tokio::test]
async fn a_mesh_that_never_gets_ready_ends_with_who_is_not_healthy() {
    let setting = Setting::new("exec cat");
    let run = setting.up(&["--start-timeout", "300ms"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(
        run.stderr.contains("customers is not healthy") && run.stderr.contains("--start-timeout"),
        "{run:?}"
    );
}

#[tokio::test]
async fn up_killed_leaves_no_child() {
    let mut setting = Setting::new("exit 0");
    setting.programs = programs(&waiting(setting.data.path()));
    let mut up = tokio::process::Command::from(command(&setting.arguments()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut children = Vec::new();
    for name in ["customers", "catalog"] {
        children.push(until("the child runs", async || setting.pid(name)).await);
    }
    up.kill().await.unwrap();
    for child in children {
        until("the child is gone", async || (kill(child, None) == Err(Errno::ESRCH)).then_some(())).await;
    }
}

#[tokio::test]
async fn sigterm_ends_all_in_good_order() {
    let mut setting = Setting::new("exit 0");
    setting.programs = programs(&waiting(setting.data.path()));
    let up = tokio::process::Command::from(command(&setting.arguments()))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until("the children run", async || setting.pid("customers").and(setting.pid("catalog"))).await;
    kill(Pid::from_raw(up.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let run = Run::from(up.wait_with_output().await.unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    let last: Vec<_> = run.stderr.lines().rev().take(2).collect();
    assert!(last[0].contains("customers") && last[1].contains("catalog"), "the last is ended first: {run:?}");
}

#[tokio::test]
async fn the_first_ctrl_c_asks_and_the_second_kills() {
    let mut setting = Setting::new("exit 0");
    let stubborn = waiting(setting.data.path()).replace("exec cat", "trap '' TERM\ncat");
    setting.programs = programs(&stubborn);
    let mut up = tokio::process::Command::from(command(&setting.arguments()))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let child = until("the child runs", async || setting.pid("customers")).await;
    until("both children run", async || setting.pid("catalog")).await;
    let pid = Pid::from_raw(up.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let mut lines = tokio::io::BufReader::new(up.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("draining") {
        let read = tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut said).await.unwrap();
        assert_ne!(read, 0, "{said}");
    }
    assert_eq!(kill(child, None), Ok(()), "asked, and still there");
    // The same press, passed on by a wrapper, is not a second one; a later one is.
    kill(pid, Signal::SIGINT).unwrap();
    let interrupted = tokio::time::Instant::now();
    let status = until("up is gone", async || {
        if interrupted.elapsed() > Duration::from_secs(1) {
            kill(pid, Signal::SIGINT).unwrap();
        }
        up.try_wait().unwrap()
    });
    assert_eq!(status.await.code(), Some(130));
    assert!(interrupted.elapsed() > Duration::from_secs(1));
    assert_eq!(kill(child, None), Err(Errno::ESRCH));
}
