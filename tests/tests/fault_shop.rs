//! `kill -9` of any process of the mesh, and of `up` itself, while `tributary load shop` runs: its own ledger, kept
//! from replies alone, agrees with the gateway in the end, and no feed has a hole.
//!
//! COUNT kills, drawn from SEED. `make soak-shop COUNT=200` is the large form.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::collections::BTreeMap;

use mesh_tests::{
    checker,
    clients::Clients,
    loader::Loader,
    supervised::{CHILDREN, Supervised},
    wait,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

/// Kills between two verdicts.
const KILLS_PER_MESH: u64 = 20;
/// Changes of orders between two kills at most, and orders that are surely placed for so many changes.
const STRIDE: u64 = 150;
const ORDERS_PER_KILL: u64 = 100;
/// Orders per second: half of what a gateway without optimisation follows on two cores, so that it catches up after
/// each kill while the load goes on.
const RATE: &str = "50";

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

/// How many changes orders has made; it may be away.
async fn changes(clients: &Clients) -> u64 {
    wait::until("orders tells its head", || async {
        let heads = clients.heads().await.map_err(|status| status.to_string())?;
        let head = heads.iter().find(|position| position.service == "orders").map(|head| head.sequence);
        head.ok_or_else(|| "no head".to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_of_the_load_agrees_whatever_is_killed() {
    let count = number("COUNT").unwrap_or(10);
    let seed = number("SEED").unwrap_or_else(|| rand::random::<u32>().into());
    eprintln!("COUNT={count} SEED={seed}");
    let (mut done, mut killed) = (0, BTreeMap::new());
    while done < count {
        let kills = KILLS_PER_MESH.min(count - done);
        one_mesh(seed + done, kills, &mut killed).await;
        done += kills;
        eprintln!("{done} of {count} kills: {killed:?}");
    }
    assert_eq!(killed.values().sum::<u64>(), count, "every kill hit a living process");
}

async fn one_mesh(seed: u64, kills: u64, killed: &mut BTreeMap<&'static str, u64>) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut mesh = Supervised::start().await;
    let clients = mesh.clients();
    let (orders, text) = ((kills * ORDERS_PER_KILL).to_string(), seed.to_string());
    let mut load = Loader::shop(mesh.host(), &["--orders", &orders, "--rate", RATE, "--seed", &text]);
    let mut at = 0;
    for _ in 0..kills {
        at = at.max(changes(&clients).await) + random.random_range(20..STRIDE);
        wait::until("more orders came about", || async {
            let now = changes(&clients).await;
            if now >= at { Ok(()) } else { Err(format!("{now} of {at} changes\n{}", load.said())) }
        })
        .await;
        assert!(load.runs(), "it was killed under load\n{}", load.said());
        *killed.entry(kill_any(&mut mesh, &mut random).await).or_default() += 1;
    }
    let ended = load.end().await;
    assert_eq!(ended.code, Some(0), "SEED={seed}\n{}\n{}", ended.said, mesh.log_tail());
    let audit = checker::audit_feeds(&clients).await;
    assert_eq!(audit, Ok(()), "SEED={seed}\n{}", mesh.log_tail());
}

/// The name of what was killed; it is started again.
async fn kill_any(mesh: &mut Supervised, random: &mut StdRng) -> &'static str {
    match CHILDREN.get(random.random_range(0..=CHILDREN.len())) {
        Some((name, _)) => {
            wait::until("the victim lives", || async {
                if mesh.kill_child(name) { Ok(()) } else { Err(mesh.log_tail()) }
            })
            .await;
            name
        }
        None => {
            mesh.kill_up().await;
            mesh.restart().await;
            "up"
        }
    }
}

/// One row of the gateway that is not what the services said, and the verdict is another.
#[tokio::test(flavor = "multi_thread")]
async fn one_altered_row_makes_the_ledger_disagree() {
    let mesh = Supervised::start().await;
    let flags = ["--orders", "60", "--rate", "max", "--seed", "7"];
    let ended = Loader::shop(mesh.host(), &flags).end().await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.said, mesh.log_tail());
    for (figure, column, row) in [
        (
            "payments",
            "amount_minor_units",
            "payment_id = (SELECT MIN(payment_id) FROM payments WHERE state = 'CAPTURED')",
        ),
        ("stock_items", "on_hand", "sku = (SELECT MIN(sku) FROM stock_items)"),
    ] {
        let add = async |what| {
            alter(&mesh, &format!("UPDATE {figure} SET {column} = {column} {what} WHERE {row}")).await
        };
        add("+ 1").await;
        let ended = Loader::shop(mesh.host(), &flags).end().await;
        assert_eq!(ended.code, Some(1), "{}", ended.said);
        assert!(ended.said.contains("differ"), "{figure}: {}", ended.said);
        add("- 1").await;
    }
    let ended = Loader::shop(mesh.host(), &flags).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

/// Writes into the store of the gateway, behind its back.
async fn alter(mesh: &Supervised, sql: &str) {
    let file = mesh.data_dir().join("query-gateway/query.db");
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.unwrap();
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{sql}");
    connection.close().await.unwrap();
}
