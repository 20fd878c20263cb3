//! Backup and restore from a terminal, under a whole mesh: a service loses what it wrote since its backup, or everything,
//! and writes on. The gateway notices by itself, says so, and then every view is what its query gives.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{fs, ops::Range, path::Path, process::Command, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mesh_tests::{
    binaries, checker,
    clients::{Clients, place_order, positions},
    mesh::MeshOptions,
    process::Process,
    recompute, wait,
};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use test_prerequisites::postgres;
use tonic::Code;
use tributary_chassis::position::{Position, Positions};
use tributary_proto::query::v1::SourceState;

/// Commands of a round.
const ROUND: u32 = 1_000;
/// Callers at once.
const CALLERS: usize = 32;
const REGIONS: [&str; 3] = ["AFRICA", "ASIA", "EUROPE"];

/// How a service comes to have another history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// A backup is restored, of ROUND commands ago.
    Restored,
    /// Everything is gone.
    Wiped,
}

/// Runs the command line tool to a good end; gives what it printed.
fn tributary(arguments: &[&str], paths: [(&str, &Path); 2]) -> String {
    let mut command = Command::new(binaries::path("tributary"));
    command.args(arguments);
    paths.into_iter().for_each(|(flag, path)| {
        command.arg(flag).arg(path);
    });
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn backup(from: &Path, to: &Path) -> Position {
    tributary(&["backup"], [("--from", from), ("--to", to)]).trim().parse().unwrap()
}

fn restore(from: &Path, to: &Path) -> Position {
    tributary(&["restore", "--replace"], [("--from", from), ("--to", to)]).trim().parse().unwrap()
}

/// One command each, of the service.
async fn create(clients: &Clients, service: &str, numbers: Range<u32>) {
    let created =
        stream::iter(numbers).map(Ok::<_, tonic::Status>).try_for_each_concurrent(CALLERS, async |n| {
            match service {
                "customers" => {
                    let region = REGIONS[n as usize % REGIONS.len()];
                    clients.create_customer(&format!("c{n}"), region).await.map(drop)
                }
                "catalog" => {
                    clients.create_product(&format!("p{n}"), "TOOLS", 100 + i64::from(n)).await.map(drop)
                }
                other => panic!("nothing is created at {other}"),
            }
        });
    created.await.unwrap();
}

/// An order of each number, by the customer and of the product of that number.
async fn order(clients: &Clients, numbers: impl IntoIterator<Item = (u32, u32, u32)>) {
    for (n, customer, product) in numbers {
        let (id, sku) = (format!("o{n}"), format!("p{product}"));
        let order = place_order(&format!("place-{n}"), &id, &format!("c{customer}"), &[(&sku, 2)]);
        clients.orders.clone().place_order(order).await.unwrap();
    }
}

async fn count(clients: &Clients, service: &str, number: u32) -> String {
    let sql = match service {
        "customers" => format!("SELECT COUNT(*) FROM customers WHERE customer_id = 'c{number}'"),
        _ => format!("SELECT COUNT(*) FROM products WHERE sku = 'p{number}'"),
    };
    clients.query(&sql).await.unwrap().rows[0][0].clone()
}

/// As long as it is there, the gateway cannot write: what it says is the same for as long as the test looks.
struct Held(SqliteConnection);

impl Held {
    async fn at(data_dir: &Path) -> Self {
        let file = SqliteConnectOptions::new().filename(data_dir.join("query.db"));
        let mut connection = file.connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        Self(connection)
    }

    async fn release(mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await.unwrap();
    }
}

/// Everything of a process but its directory.
fn wipe(data_dir: &Path) {
    for entry in fs::read_dir(data_dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

/// What the gateway has is what the services have, and each view is what its query gives.
async fn exact(clients: &Clients) {
    assert_eq!(checker::audit_feeds(clients).await, Ok(()));
    let (views, rows) = recompute::views(clients).await.unwrap();
    assert!(views >= 8 && rows > 0, "{views} views with {rows} rows");
}

/// Waits until the gateway has noticed, while it cannot write: it says so, and answers from what was there before.
async fn told(clients: &Clients, service: &str, before: &Position) {
    let reason = wait::until("the gateway has noticed", || async {
        let status = clients.status().await.map_err(|status| status.to_string())?;
        let source = status.sources.into_iter().find(|source| source.name == service).unwrap();
        match source.state() {
            SourceState::Snapshot => Ok((source.reason, status.complete)),
            other => Err(format!("{other:?} {}", source.reason)),
        }
    });
    let (reason, complete) = reason.await;
    assert!(reason.contains(&format!("expected the history {service}/{}", before.epoch)), "{reason}");
    assert!(!complete);
    let answer = clients.query("SELECT COUNT(*) FROM orders").await.unwrap();
    assert!(answer.as_of.contains(&before.to_string()), "{}", answer.as_of);
    assert!(answer.as_of.ends_with(";complete=0"), "{}", answer.as_of);
}

/// Where a service's store is: its data directory, or the URL of its database.
fn place<'a>(process: &'a Process, database: Option<&'a str>) -> &'a Path {
    database.map_or(process.data_dir(), Path::new)
}

/// Waits until the server has noticed that nobody is there any more; then everything goes, if it is to.
async fn leave(database: &str, wipe: bool) {
    let mut session = PgConnection::connect(database).await.unwrap();
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                  AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let mut left = async || sqlx::query_scalar::<_, i64>(others).fetch_one(&mut session).await.unwrap();
    while left().await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if wipe {
        let wipe = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        sqlx::raw_sql(wipe).execute(&mut session).await.unwrap();
    }
    session.close().await.unwrap();
}

async fn lose(service: &str, loss: Loss, database: Option<&str>) {
    let options = MeshOptions::default();
    let options = database.iter().fold(options, |options, database| options.store(service, database));
    let mut mesh = options.start().await;
    let (clients, directory) = (mesh.clients(), tempfile::tempdir().unwrap());
    let file = directory.path().join("backup");
    for every in ["customers", "catalog"] {
        create(&clients, every, 0..20).await;
    }
    create(&clients, service, 20..ROUND).await;
    order(&clients, (0..10).map(|n| (n, n, n))).await;
    let reached = clients.wait_at_rest().await;
    let at = |positions: &Positions| positions.iter().find(|at| at.service == service).unwrap().clone();
    if loss == Loss::Restored {
        // One on sled has to be stopped.
        let process = mesh.process_mut(service);
        if service == "catalog" {
            process.terminate();
        }
        assert_eq!(backup(place(process, database), &file), at(&reached));
        if service == "catalog" {
            process.restart().await;
        }
    }
    // Lost, with orders that name what is lost.
    create(&clients, service, ROUND..2 * ROUND).await;
    let lost = |n| if service == "customers" { (n, ROUND + n, n) } else { (n, n, ROUND + n) };
    order(&clients, (10..20).map(lost)).await;
    let before = at(&clients.wait_at_rest().await);
    exact(&clients).await;

    let held = Held::at(mesh.gateway.data_dir()).await;
    let process = mesh.process_mut(service);
    process.kill();
    if let Some(database) = database {
        leave(database, loss == Loss::Wiped).await;
    }
    let epoch = match loss {
        Loss::Restored => {
            let restored = restore(&file, place(process, database));
            assert_eq!(restored.sequence, at(&reached).sequence);
            Some(restored.epoch)
        }
        Loss::Wiped => {
            wipe(process.data_dir());
            None
        }
    };
    process.restart().await;
    told(&clients, service, &before).await;
    assert_eq!(count(&clients, service, ROUND + 5).await, "1");
    held.release().await;
    // Under numbers that were there, and beyond.
    create(&clients, service, 3 * ROUND..5 * ROUND).await;
    order(
        &clients,
        (20..30).map(|n| match service {
            "customers" => (n, 3 * ROUND + n, 0),
            _ => (n, 0, 3 * ROUND + n),
        }),
    )
    .await;
    let after = at(&clients.wait_at_rest().await);
    assert!(after.sequence >= before.sequence || loss == Loss::Wiped, "{after} {before}");
    assert_ne!(after.epoch, before.epoch);
    assert!(epoch.is_none_or(|epoch| epoch == after.epoch));

    exact(&clients).await;
    let kept = if loss == Loss::Restored { "1" } else { "0" };
    for (number, expected) in [(30, kept), (ROUND + 5, "0"), (3 * ROUND + 5, "1")] {
        assert_eq!(count(&clients, service, number).await, expected, "{number}");
    }
    // What was acknowledged and lost is never taken for what has its number now.
    let asked = clients.query_after("SELECT 1 AS one", &before.to_string().parse().unwrap()).await;
    assert_eq!(asked.unwrap_err().code(), Code::FailedPrecondition);
    if loss == Loss::Restored {
        // What was answered before the backup is answered so again, by a position that can be waited for.
        let again = match service {
            "customers" => positions(&clients.create_customer("c30", REGIONS[0]).await.unwrap()),
            _ => positions(&clients.create_product("p30", "TOOLS", 130).await.unwrap()),
        };
        assert_eq!(at(&again).epoch, after.epoch);
        clients.query_after("SELECT 1 AS one", &again).await.unwrap();
    }
    mesh.gateway.kill();
    mesh.gateway.restart().await;
    clients.wait_at_rest().await;
    exact(&clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_on_sqlite_is_followed_to_the_restored_truth() {
    lose("customers", Loss::Restored, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_on_sled_is_followed_to_the_restored_truth() {
    lose("catalog", Loss::Restored, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_service_on_sqlite_is_followed_to_what_it_has() {
    lose("customers", Loss::Wiped, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_service_on_sled_is_followed_to_what_it_has() {
    lose("catalog", Loss::Wiped, None).await;
}

/// It follows and is followed: both sides go on, and new orders are served like any.
#[tokio::test(flavor = "multi_thread")]
async fn restored_orders_and_who_follows_them_go_on() {
    let mut mesh = MeshOptions::default().start().await;
    let (clients, directory) = (mesh.clients(), tempfile::tempdir().unwrap());
    let file = directory.path().join("backup");
    for every in ["customers", "catalog"] {
        create(&clients, every, 0..20).await;
    }
    order(&clients, (0..200).map(|n| (n, n % 20, n % 20))).await;
    clients.wait_at_rest().await;
    let taken = backup(mesh.orders.data_dir(), &file);
    order(&clients, (200..400).map(|n| (n, n % 20, n % 20))).await;
    let before = clients.wait_at_rest().await.iter().find(|at| at.service == "orders").unwrap().clone();
    mesh.orders.kill();
    let restored = restore(&file, mesh.orders.data_dir());
    assert_eq!((restored.sequence, restored.epoch == taken.epoch), (taken.sequence, false));
    mesh.orders.restart().await;
    order(&clients, (400..600).map(|n| (n, n % 20, n % 20))).await;
    clients.wait_at_rest().await;
    exact(&clients).await;
    let sql =
        "SELECT COUNT(*), COUNT(*) FILTER (WHERE order_id IN ('o0', 'o199', 'o400', 'o599')) FROM orders";
    assert_eq!(clients.query(sql).await.unwrap().rows, [["400", "4"]]);
    let asked = clients.query_after("SELECT 1 AS one", &before.to_string().parse().unwrap()).await;
    assert_eq!(asked.unwrap_err().code(), Code::FailedPrecondition);
}

/// Its own positions are of another history; those of its sources lead on from where the backup was.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_gateway_catches_up_by_itself() {
    let mut mesh = MeshOptions::default().start().await;
    let (clients, directory) = (mesh.clients(), tempfile::tempdir().unwrap());
    let file = directory.path().join("backup");
    create(&clients, "customers", 0..ROUND).await;
    create(&clients, "catalog", 0..20).await;
    order(&clients, (0..10).map(|n| (n, n, n))).await;
    clients.wait_at_rest().await;
    let taken = backup(mesh.gateway.data_dir(), &file);
    create(&clients, "customers", ROUND..2 * ROUND).await;
    order(&clients, (10..20).map(|n| (n, ROUND + n, n))).await;
    clients.wait_at_rest().await;
    mesh.gateway.terminate();
    let restored = restore(&file, mesh.gateway.data_dir());
    mesh.gateway.restart().await;
    clients.wait_at_rest().await;
    exact(&clients).await;
    let status = clients.status().await.unwrap();
    assert_eq!((&status.epoch, taken.service.as_str()), (&restored.epoch, "query"));
    assert!(status.commit > taken.sequence);
    // Another query is noticed: the comparison can fail.
    let other =
        recompute::view(&clients, "customer_months", "SELECT * FROM customer_months WHERE orders > 1");
    assert!(other.await.unwrap_err().contains("are too many"));
    let asked = clients.query_after("SELECT 1 AS one", &taken.to_string().parse().unwrap()).await;
    assert_eq!(asked.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_on_postgresql_is_followed_to_the_restored_truth() {
    let test = "a_restored_service_on_postgresql_is_followed_to_the_restored_truth";
    let Some(database) = postgres::database(test).await else { return };
    lose("customers", Loss::Restored, Some(&database)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_service_on_postgresql_is_followed_to_what_it_has() {
    let Some(database) = postgres::database("a_wiped_service_on_postgresql_is_followed_to_what_it_has").await
    else {
        return;
    };
    lose("customers", Loss::Wiped, Some(&database)).await;
}
