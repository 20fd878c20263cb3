//! The mesh in containers, run as the manifests of overlays/postgres say: pods that share a database come and go under load, and
//! nobody gets into a database but its owner.
//!
//! One mesh at a time, as in e2e_containers.rs. The image of PostgreSQL is made of the one that is installed here.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::time::Duration;

use mesh_tests::{
    checker,
    containers::{Cluster, Engine, Pod},
    ledger::Ledger,
    load::Load,
    manifests::Manifests,
    setting::setting,
    supervised, wait,
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

const OVERLAY: &str = "k8s/overlays/postgres";

/// Who has a database.
const OWNERS: [&str; 4] = ["customers", "orders", "payments", "query-gateway"];

/// How soon callers notice that a pod is gone, or that there is one more.
const NOTICED: Duration = Duration::from_secs(5);

/// What a mesh in containers needs, for one test at a time; `None` after saying that `test` is skipped.
async fn prepare(test: &str) -> Option<(MutexGuard<'static, ()>, &'static Engine, Manifests)> {
    static ONE: Mutex<()> = Mutex::const_new(());
    let one = ONE.lock().await;
    let mut manifests = Manifests::render(test, OVERLAY)?;
    manifests.make_secrets();
    let engine = Engine::get(test).await?;
    engine.has_postgres(test).then_some((one, engine, manifests))
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_come_and_go_under_load() {
    let Some((_one, engine, manifests)) = prepare("replicas_come_and_go_under_load").await else {
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
    let Some((_one, engine, manifests)) = prepare("databases_that_are_killed_lose_nothing").await else {
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

async fn ready(pod: &Pod) {
    pod.until_ready().await.unwrap_or_else(|why| panic!("{why}"));
}

fn role(owner: &str) -> String {
    owner.replace('-', "_")
}

fn password<'a>(manifests: &'a Manifests, owner: &str) -> &'a str {
    &manifests.secrets[&format!("{owner}-postgres")]["password"]
}

/// In the place of each owner there is somebody with its labels, and so its ways, who can ask for anything.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_into_a_database_but_its_owner() {
    let Some((_one, engine, manifests)) = prepare("nobody_gets_into_a_database_but_its_owner").await else {
        return;
    };
    let mut changed = manifests.clone();
    for owner in OWNERS {
        let image = manifests.workload(&format!("{owner}-postgres")).container().image.clone();
        let workload = changed.workload_mut(owner);
        workload.replicas = 1;
        let container = workload.container_mut();
        container.image = image;
        container.command = Some(["sleep", "infinity"].map(str::to_owned).into());
    }
    let databases = OWNERS.map(|owner| format!("{owner}-postgres"));
    let all: Vec<_> = OWNERS.into_iter().chain(databases.iter().map(String::as_str)).collect();
    let cluster = Cluster::start(engine, &changed, &all);
    for database in &databases {
        ready(cluster.pod(database)).await;
    }
    for owner in OWNERS {
        for database in &databases {
            let own = *database == format!("{owner}-postgres");
            let host = format!("--host={database}");
            let asked = cluster.pod(owner).exec(&["pg_isready", "--username=a", "--dbname=a", &host]);
            assert_eq!(asked.is_ok(), own, "{owner} at {database}: {asked:?}");
        }
    }
    let superuser = OWNERS.map(|owner| ("postgres".to_owned(), password(&manifests, owner)));
    let owners = OWNERS.map(|owner| (role(owner), password(&manifests, owner)));
    let mut refused = 0;
    for whose in OWNERS {
        // From there its server is reached; who asks is told by name and password alone.
        for (user, password) in owners.iter().chain(&superuser) {
            for database in OWNERS.map(role).into_iter().chain(["postgres", "template1"].map(str::to_owned)) {
                let own = *user == role(whose) && database == role(whose);
                let url = format!("postgres://{user}:{password}@{whose}-postgres/{database}");
                let asked = cluster.pod(whose).exec(&psql(&url, "SELECT current_user"));
                match asked {
                    Ok(said) => assert!(own && said == *user, "{user} in {database} of {whose}: {said}"),
                    Err(why) => {
                        assert!(!own && is_refusal(&why), "{user} in {database} of {whose}: {why}");
                        refused += 1;
                    }
                }
            }
        }
        let url = format!("postgres://{}:{}@{whose}-postgres/{0}", role(whose), password(&manifests, whose));
        let rights = "SELECT rolsuper, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user";
        assert_eq!(cluster.pod(whose).exec(&psql(&url, rights)).unwrap(), "f|f|f|f", "{whose}");
        let program = cluster.pod(whose).exec(&psql(&url, "COPY (SELECT 1) TO PROGRAM 'sh'"));
        assert!(program.unwrap_err().contains("pg_execute_server_program"), "{whose}");
    }
    assert_eq!(refused, 4 * 8 * 6 - 4);

    let may =
        "SELECT count(*) FROM pg_proc WHERE has_function_privilege('query_gateway_query', oid, 'EXECUTE')
               AND proname IN ('lo_create', 'pg_advisory_lock', 'pg_notify', 'pg_sleep', 'set_config')";
    let superuser = [
        "psql",
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--username=postgres",
        "--dbname=query_gateway",
    ];
    let said = cluster.pod("query-gateway-postgres").exec(&[&superuser[..], &["--command", may]].concat());
    assert_eq!(said.as_deref(), Ok("0"), "statements of users compute, and do nothing else");
}

fn psql<'a>(url: &'a str, sql: &'a str) -> [&'a str; 7] {
    ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, url]
}

fn is_refusal(why: &str) -> bool {
    ["password authentication failed", "no pg_hba.conf entry", "pg_hba.conf rejects connection"]
        .iter()
        .any(|refusal| why.contains(refusal))
}

/// It is killed while initdb writes, and while the owner is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_not_finished_is_made_anew() {
    let Some((_one, engine, manifests)) = prepare("a_database_that_was_not_finished_is_made_anew").await
    else {
        return;
    };
    let data = manifests.workload("customers-postgres").environment()["PGDATA"];
    for half in ["PG_VERSION", "postmaster.pid"] {
        let cluster = Cluster::start(engine, &manifests, &["customers-postgres"]);
        let pod = cluster.pod("customers-postgres");
        let file = format!("{data}.new/{half}");
        wait::until("it is at work", || async { pod.exec(&["test", "-e", &file]) }).await;
        pod.kill();
        pod.restart();
        // What is there is not taken for a cluster.
        ready(pod).await;
        assert!(pod.exec(&["test", "-e", &format!("{data}.new")]).is_err(), "{}", pod.log_tail());
        let password = password(&manifests, "customers");
        let url = format!("postgres://customers:{password}@127.0.0.1/customers");
        let made = "CREATE TABLE mine (n INT); SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'mine'";
        assert!(pod.exec(&psql(&url, made)).unwrap().ends_with("customers"));

        let stopped = pod.stop().await;
        assert_eq!(
            stopped.code,
            0,
            "sessions are ended, and what is in memory is written: {}",
            pod.log_tail()
        );
        pod.restart();
        ready(pod).await;
        assert_eq!(pod.exec(&psql(&url, "SELECT count(*) FROM mine")).unwrap(), "0");
    }
}
