//! `kill -9` of any process of the mesh, and of `up` itself, under load: nothing acknowledged is lost,
//! nothing is counted twice, no feed has a hole.
//!
//! COUNT kills, drawn from SEED. `make soak-kill COUNT=200` is the large form.

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
    load::Load,
    supervised::{CHILDREN, Supervised},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// Kills between two audits: an audit reads every feed from its beginning.
const KILLS_PER_MESH: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_to_kill_9() {
    let count = number("COUNT").unwrap_or(10);
    let seed = number("SEED").unwrap_or_else(rand::random);
    eprintln!("COUNT={count} SEED={seed}");
    let (mut done, mut acknowledged, mut killed) = (0, 0, BTreeMap::new());
    while done < count {
        let kills = KILLS_PER_MESH.min(count - done);
        acknowledged += one_mesh(seed + done, kills, &mut killed).await;
        done += kills;
        eprintln!("{done} of {count} kills, {acknowledged} acknowledged writes: {killed:?}");
    }
    assert_eq!(killed.values().sum::<u64>(), count, "every kill hit a living process");
}

/// Loads one mesh, kills `kills` times, audits; gives the number of acknowledged writes.
async fn one_mesh(seed: u64, kills: u64, killed: &mut BTreeMap<&'static str, u64>) -> u64 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut mesh = Supervised::start().await;
    let load = Load::start(&mesh.clients(), 8, seed);
    for _ in 0..kills {
        load.wait_for(random.random_range(20..150)).await;
        let victim = random.random_range(0..=CHILDREN.len());
        let name = match CHILDREN.get(victim) {
            Some((name, _)) => {
                mesh_tests::wait::until("the victim lives", || async {
                    if mesh.kill_child(name) { Ok(()) } else { Err(mesh.log_tail()) }
                })
                .await;
                *name
            }
            None => {
                mesh.kill_up().await;
                mesh.restart().await;
                "up"
            }
        };
        *killed.entry(name).or_default() += 1;
    }
    load.wait_for(50).await;
    let ledger = load.stop().await;
    let audit = checker::audit(&mesh.clients(), &ledger).await;
    assert_eq!(audit, Ok(()), "SEED={seed}, {kills} kills\n{}", mesh.log_tail());
    u64::try_from(ledger.acknowledged.len()).expect("a count")
}

/// The audit can fail: a ledger that was altered in one place is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_ledger_is_noticed() {
    let mesh = Supervised::start().await;
    let load = Load::start(&mesh.clients(), 2, 1);
    load.wait_for(60).await;
    let ledger = load.stop().await;
    assert_eq!(checker::audit(&mesh.clients(), &ledger).await, Ok(()));
    let mut lost = ledger.clone();
    lost.acknowledged.push("never-sent".to_owned());
    assert!(checker::audit(&mesh.clients(), &lost).await.unwrap_err().contains("never-sent"));
    let mut altered = ledger.clone();
    altered.orders.values_mut().next().expect("an order").total += 1;
    assert!(checker::audit(&mesh.clients(), &altered).await.is_err());
    let mut altered = ledger;
    *altered.customers.values_mut().next().expect("a customer") = "NOWHERE".to_owned();
    assert!(checker::audit(&mesh.clients(), &altered).await.is_err());
}
