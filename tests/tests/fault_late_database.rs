//! A database that is not there yet when those come who need it: they wait, say so, and begin by themselves.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr as _,
};

use mesh_tests::{binaries, mesh::own_loopback_address, process::Process, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::postgres::PgConnectOptions;
use test_prerequisites::postgres;

/// Those that can be kept in PostgreSQL.
const PROGRAMS: [&str; 4] = ["customers", "payments", "orders", "query-gateway"];

const SOCKET: &str = ".s.PGSQL.5432";

async fn says_that_it_waits(log: &Path) {
    wait::until("it says that it waits", || async {
        let text = fs::read_to_string(log).map_err(|error| error.to_string())?;
        if text.contains("the database cannot be reached") { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_before_the_database_waits_for_it() {
    for program in PROGRAMS {
        let Some(url) = postgres::database("who_comes_before_the_database_waits_for_it").await else {
            return;
        };
        let there = PgConnectOptions::from_str(&url).unwrap().get_socket().unwrap().clone();
        let root = tempfile::tempdir().unwrap();
        let late = root.path().join("late");
        fs::create_dir(&late).unwrap();
        let url = url.replace(there.to_str().unwrap(), late.to_str().unwrap());
        let (log, host) = (root.path().join("it.log"), own_loopback_address());
        let comes = async {
            says_that_it_waits(&log).await;
            symlink(there.join(SOCKET), late.join(SOCKET)).unwrap();
        };
        let started = Process::start(program, "it", root.path(), &host, vec!["--store".to_owned(), url]);
        let (mut process, ()) = tokio::join!(started, comes);
        assert_eq!(process.log().matches("the database cannot be reached").count(), 1, "{}", process.log());
        assert_eq!(process.terminate(), Some(0), "{program}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_database_ends_when_told_so() {
    for program in PROGRAMS {
        let root = tempfile::tempdir().unwrap();
        let mut waiting = Waiting::start(program, root.path());
        says_that_it_waits(&waiting.log).await;
        kill(Pid::from_raw(waiting.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let ended = waiting.child.wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{program}: {}", fs::read_to_string(&waiting.log).unwrap());
    }
}

/// A process that is not served by anybody.
struct Waiting {
    child: Child,
    log: PathBuf,
}

impl Waiting {
    fn start(program: &str, root: &Path) -> Self {
        let log = root.join("it.log");
        let file = fs::File::create(&log).unwrap();
        let child = Command::new(binaries::path(program))
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
            .arg(root.join("data"))
            .args(["--store", "postgres://nobody@127.0.0.1:1/nothing"])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
