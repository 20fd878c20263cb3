//! Pods of overlays/postgres that share a database come and go under load, and so do the databases.

use mesh_tests::{
    checker,
    containers::{Cluster, Pod},
    ledger::Ledger,
    load::Load,
    setting::setting,
    supervised, wait,
};
use tokio::time::Instant;

use crate::{NOTICED, OWNERS, alone, beside, prepare_with_postgres, ready};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_come_and_go_under_load() {
    let _alone = alone().await;
    let Some((engine, manifests)) = prepare_with_postgres("replicas_come_and_go_under_load").await else {
        return;
    };
    let seed: u64 = setting("SEED", rand::random::<u32>().into());
    eprintln!("SEED={seed}");
    let mut cluster = Cluster::run(engine, &manifests).await;
    let loads = start(&cluster, seed);
    for (member, fault) in [("customers", CUT_OFF), ("payments", KILLED), ("orders", CUT_OFF)] {
        go_on(&loads, 20).await;
        one_goes_and_one_comes(&mut cluster, member, fault, &loads).await;
    }
    // Perhaps the one that applies, then the other takes over.
    let gateway = cluster.pod("query-gateway").name().to_owned();
    cluster.pod("query-gateway").kill();
    cluster.remove(&gateway);
    go_on(&loads, 20).await;
    let told = stop(loads).await;
    let (failed, attempts) = (told.failed.len(), told.most_attempts);
    eprintln!("{} calls, {failed} attempts failed, {attempts} for one call at most", told.acknowledged.len());
    assert!(attempts <= 2, "SEED={seed}: {:#?}\n{}", told.failed, cluster.log_tail());

    let audit = checker::audit(&cluster.clients(), &told).await;
    assert_eq!(audit, Ok(()), "SEED={seed}\n{}", cluster.log_tail());
}

/// COUNT times each, from SEED. What was acknowledged was on disk.
#[tokio::test(flavor = "multi_thread")]
async fn databases_that_are_killed_lose_nothing() {
    let _beside = beside().await;
    let Some((engine, manifests)) = prepare_with_postgres("databases_that_are_killed_lose_nothing").await
    else {
        return;
    };
    let seed: u64 = setting("SEED", rand::random::<u32>().into());
    let count = setting("COUNT", 1);
    eprintln!("COUNT={count} SEED={seed}");
    let cluster = Cluster::run(engine, &manifests).await;
    let loads = start(&cluster, seed);
    for owner in OWNERS.into_iter().cycle().take(OWNERS.len() * count) {
        go_on(&loads, 20).await;
        let database = cluster.pod(&format!("{owner}-postgres"));
        database.kill();
        database.restart();
        ready(database).await;
        eprintln!("{} was killed, and is back", database.name());
    }
    go_on(&loads, 20).await;
    let ledger = stop(loads).await;
    eprintln!("{} calls, {} attempts failed", ledger.acknowledged.len(), ledger.failed.len());
    let audit = checker::audit(&cluster.clients(), &ledger).await;
    assert_eq!(audit, Ok(()), "SEED={seed}\n{}", cluster.log_tail());
}

/// Two callers each, who connect on their own, so that not one pod of orders has all of them.
const CALLERS: u64 = 3;

fn start(cluster: &Cluster, seed: u64) -> Vec<Load> {
    (0..CALLERS).map(|n| Load::paying(&cluster.clients(), 2, seed + n)).collect()
}

async fn stop(loads: Vec<Load>) -> Ledger {
    let mut ledger = Ledger::default();
    for load in loads {
        ledger.absorb(load.stop().await);
    }
    ledger
}

/// What happens to a pod, and how that is called.
type Fault = (&'static str, fn(&Pod));

/// Connections to it hear nothing any more, as when its node is gone.
const CUT_OFF: Fault = ("cut off", Pod::disconnect);
const KILLED: Fault = ("killed", Pod::kill);

/// One pod less, and later another one more.
async fn one_goes_and_one_comes(
    cluster: &mut Cluster,
    member: &str,
    (fault, happens): Fault,
    loads: &[Load],
) {
    counted(cluster, member, 3).await;
    let pod = cluster.pod(member);
    let name = pod.name().to_owned();
    happens(pod);
    let happened = Instant::now();
    counted(cluster, member, 2).await;
    go_on(loads, 1).await;
    let gone = happened.elapsed();
    cluster.remove(&name);
    go_on(loads, 20).await;

    let added = cluster.add(member).await.name().to_owned();
    let ready = Instant::now();
    counted(cluster, member, 3).await;
    let there = ready.elapsed();
    eprintln!("{name} is {fault}, which is noticed after {gone:?}; {added} after {there:?}");
    assert!(gone < NOTICED && there < NOTICED, "{member}: {gone:?}, {there:?}\n{}", cluster.log_tail());
}

/// Until each load has so many more acknowledged.
async fn go_on(loads: &[Load], more: u64) {
    futures::future::join_all(loads.iter().map(|load| load.wait_for(more))).await;
}

/// Until orders counts so many pods of another service, wherever it has called it.
async fn counted(cluster: &Cluster, callee: &str, pods: usize) {
    if callee == "orders" {
        // Nobody of the mesh calls it.
        return;
    }
    wait::until("orders counts them", || async {
        let mut counts = Vec::new();
        for pod in cluster.pods_of("orders") {
            let metrics = pod.metrics(supervised::port("orders") + 1000).await.map_err(|e| e.to_string())?;
            counts.push(serving(&metrics, callee));
        }
        let callers = counts.iter().flatten();
        let agree = counts.iter().flatten().all(|count| *count == pods) && callers.count() > 0;
        if agree { Ok(()) } else { Err(format!("{callee}: {counts:?} and not {pods}")) }
    })
    .await;
}

/// How many pods of another service serve, as seen from one that has called it.
fn serving(metrics: &str, callee: &str) -> Option<usize> {
    let is_it = |line: &&str| {
        line.starts_with("tributary_outbound_endpoints{")
            && line.contains(&format!("peer_service=\"{callee}\""))
            && line.contains("state=\"SERVING\"")
    };
    let line = metrics.lines().find(is_it)?;
    let count: f64 = line.rsplit(' ').next()?.parse().ok()?;
    (count > 0.0).then_some(count as usize)
}
