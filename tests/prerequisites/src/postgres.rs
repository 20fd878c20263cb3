//! A real PostgreSQL for the tests of one process: a cluster of its own in a temporary directory, reached by a
//! socket in it. Nothing in it is durable, and nothing of it is left behind.

use std::{
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::{Instant, sleep};

use crate::skip::skipped;

/// Ends the server when the test process is gone, however that came: its end of the pipe closes then. `$0` is the
/// directory.
const SUPERVISE: &str = r#"
    "$1" -D "$0/data" -k "$0" -c listen_addresses= -c fsync=off -c full_page_writes=off \
        -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0 -c timezone=UTC -c jit=off \
        -c max_parallel_workers_per_gather=0 -c temp_buffers=32MB -c max_connections=200 &
    server=$!
    cat >/dev/null
    kill -QUIT $server
    wait $server
    rm -rf "$0"
"#;

/// Whom the server runs as when the tests run as root, which it refuses; without a user `postgres`, nobody.
const SERVER_USER: &str = "postgres";
const NOBODY: u32 = 65_534;

const SUPERUSER: &str = "tributary";

struct Cluster {
    directory: PathBuf,
    /// Its standard input is held open for as long as this process lives.
    _supervisor: Child,
}

/// A new connection; `None` after saying that `test` is skipped, where there is no PostgreSQL.
pub async fn connect(test: &str) -> Option<PgConnection> {
    let cluster = cluster(test)?;
    Some(cluster.connect().await)
}

/// The URL of a database of its own, which is empty; `None` as with [`connect`].
pub async fn database(test: &str) -> Option<String> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let cluster = cluster(test)?;
    let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let create = sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")));
    create.execute(&mut cluster.connect().await).await.unwrap();
    let directory = cluster.directory.display();
    Some(format!("postgres://{SUPERUSER}@localhost/{name}?host={directory}&sslmode=disable"))
}

fn cluster(test: &str) -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| newest().map(|programs| start(&programs))).as_ref();
    if cluster.is_none() {
        skipped(test, "PostgreSQL is not installed (see make tools)");
    }
    cluster
}

impl Cluster {
    async fn connect(&self) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.directory)
            .username(SUPERUSER)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
            .options([("client_min_messages", "warning")])
            .disable_statement_logging();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match options.connect().await {
                Ok(connection) => return connection,
                // Until the server listens.
                Err(error) => assert!(Instant::now() < deadline, "PostgreSQL did not start: {error}"),
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The directory with the programs of the newest version that is installed.
fn newest() -> Option<PathBuf> {
    let version = |directory: &Path| {
        let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        number.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
    };
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::env::split_paths(&path).chain(debian);
    let complete = candidates.filter(|directory| directory.join("initdb").exists());
    complete.filter_map(|directory| Some((version(&directory)?, directory))).max().map(|(_, found)| found)
}

/// Makes a cluster and starts its server, which does not listen yet.
fn start(programs: &Path) -> Cluster {
    let directory = tempfile::tempdir().unwrap().keep();
    let root = directory.metadata().unwrap().uid() == 0;
    let unprivileged = root.then(|| user(SERVER_USER).unwrap_or((NOBODY, NOBODY)));
    if let Some((uid, gid)) = unprivileged {
        chown(&directory, Some(uid), Some(gid)).unwrap();
    }
    let command = |program: &Path| {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = unprivileged {
            command.uid(uid).gid(gid);
        }
        command.current_dir(&directory);
        command
    };
    let made = command(&programs.join("initdb"))
        .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--lc-ctype=C.UTF-8"])
        .args(["--username", SUPERUSER, "--pgdata"])
        .arg(directory.join("data"))
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    let supervisor = command(Path::new("/bin/sh"))
        .args(["-c", SUPERVISE])
        .args([&directory, &programs.join("postgres")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Cluster { directory, _supervisor: supervisor }
}

/// Number and group of a user of this machine.
fn user(name: &str) -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<_> =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|user| user[0] == name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}
