//! A real PostgreSQL for the tests of one process: a cluster of its own in a temporary directory, reached by a
//! socket in it. A session that does not ask for it waits for no disk, and nothing of the cluster is left behind.

pub mod tls;

use std::{
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
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
/// directory, behind the program come settings of one cluster.
const SUPERVISE: &str = r#"
    program=$1
    shift
    "$program" -D "$0/data" -k "$0" -c listen_addresses= -c synchronous_commit=off -c wal_level=minimal \
        -c max_wal_senders=0 -c timezone=UTC -c jit=off -c max_parallel_workers_per_gather=0 \
        -c max_connections=400 "$@" &
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

/// Databases that were made, which gives each its name.
static MADE: AtomicU32 = AtomicU32::new(0);

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

/// A server of its own, for a test that crashes it.
pub struct Own(Cluster);

impl Own {
    /// `None` after saying that `test` is skipped, where there is no PostgreSQL.
    pub fn start(test: &str) -> Option<Self> {
        let Some(programs) = newest() else {
            skipped(test, "PostgreSQL is not installed (see make tools)");
            return None;
        };
        Some(Self(start(&programs, |_, _| Vec::new())))
    }

    /// A new connection to its database `postgres`.
    pub async fn connect(&self) -> PgConnection {
        self.0.connect().await
    }

    /// Its database `postgres`, as a URL.
    pub fn url(&self) -> String {
        self.0.url("postgres")
    }

    /// Kills one session by SIGKILL: the server ends all of them, forgets what it had in memory and was not on disk, and
    /// recovers. Returns when it takes sessions again.
    pub async fn crash(&self) {
        let (mut one, mut other) = (self.connect().await, self.connect().await);
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut one).await.unwrap();
        let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
        assert!(killed.success(), "{killed}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while sqlx::query("SELECT").execute(&mut other).await.is_ok() {
            assert!(Instant::now() < deadline, "the server goes on");
            sleep(Duration::from_millis(1)).await;
        }
        drop(self.connect().await);
    }
}

/// Whether there is a PostgreSQL; says that `test` is skipped where there is none.
pub fn is_available(test: &str) -> bool {
    cluster(test).is_some()
}

/// A database of its own, empty, as a `postgres://` URL; `None` as [`connect`].
pub async fn database(test: &str) -> Option<String> {
    let cluster = cluster(test)?;
    let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut cluster.connect().await).await.unwrap();
    Some(cluster.url(&name))
}

/// A copy of a database that nobody uses, as [`database`].
pub async fn copy(of: &str) -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let cluster = cluster("copying a database").expect("it has the database");
    let original: PgConnectOptions = of.parse().unwrap();
    let name = format!("copy_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let original = original.get_database().unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {original} STRATEGY file_copy"));
    sqlx::query(create).execute(&mut cluster.connect().await).await.unwrap();
    cluster.url(&name)
}

/// The process of the server, whose children are its sessions.
pub fn server() -> u32 {
    let cluster = cluster("asking for the server").expect("there is one");
    let file = std::fs::read_to_string(cluster.directory.join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().trim().parse().unwrap()
}

/// The flags by which a service of the test `program` keeps its store. In programs whose names end so, that is in a
/// database which belongs to `dir`; in all others it lies in `dir`, for which there are none.
pub async fn store_flags(program: &str, dir: &Path) -> Vec<String> {
    if !is_on_postgres(program) {
        return Vec::new();
    }
    let Some(cluster) = cluster(program) else { return Vec::new() };
    let bytes = dir.as_os_str().as_encoded_bytes();
    let name: String = bytes.iter().rev().take(12).map(|byte| format!("{byte:02x}")).collect();
    let create = AssertSqlSafe(format!("CREATE DATABASE of_{name}"));
    // It is there when the service is started again.
    let _there = sqlx::query(create).execute(&mut cluster.connect().await).await;
    vec!["--store".to_owned(), cluster.url(&format!("of_{name}"))]
}

/// Whether a test program is about services on PostgreSQL.
pub fn is_on_postgres(program: &str) -> bool {
    program.ends_with("_on_postgres")
}

fn cluster(test: &str) -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let programs = installed(test)?;
    Some(CLUSTER.get_or_init(|| start(&programs, |_, _| Vec::new())))
}

/// The directory with the server's programs; says that `test` is skipped where there are none.
fn installed(test: &str) -> Option<PathBuf> {
    let programs = newest();
    if programs.is_none() {
        skipped(test, "PostgreSQL is not installed (see make tools)");
    }
    programs
}

impl Cluster {
    fn url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}@localhost/{database}?host={}&sslmode=disable",
            self.directory.display()
        )
    }

    async fn connect(&self) -> PgConnection {
        self.connect_at(5432).await
    }

    /// The port is part of the socket's name.
    async fn connect_at(&self, port: u16) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.directory)
            .port(port)
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
pub fn newest() -> Option<PathBuf> {
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

/// Makes a cluster and starts its server, which does not listen yet. `prepare` is given its directory and whom the server
/// runs as, and gives settings of its own.
fn start(programs: &Path, prepare: impl FnOnce(&Path, Option<(u32, u32)>) -> Vec<String>) -> Cluster {
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
    let settings = prepare(&directory, unprivileged);
    let supervisor = command(Path::new("/bin/sh"))
        .args(["-c", SUPERVISE])
        .args([&directory, &programs.join("postgres")])
        .args(settings)
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
