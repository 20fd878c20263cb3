//! The mesh in containers, run as the manifests of overlays/kind say: it is used, broken, and replaced pod by pod under
//! load, and nothing that was acknowledged is lost.
//!
//! COUNT faults, drawn from SEED. `make soak-containers COUNT=100` is the large form.
//!
//! One mesh at a time: each is seven containers, and what waits for a machine that is busy proves nothing.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use mesh_tests::{
    checker,
    clients::place_order,
    containers::{Cluster, Engine, Pod},
    load::{Load, is_safe_to_retry},
    manifests::Manifests,
    setting::setting,
    wait,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use shop_proto::{
    insights::v1::{RevenueByRegionRequest, insights_client::InsightsClient},
    inventory::v1::CreateStockItemRequest,
    orders::v1::OrderState,
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};
use tonic::Status;

const OVERLAY: &str = "k8s/overlays/kind";

/// How soon a callee at a new address is noticed.
const NOTICED: Duration = Duration::from_secs(5);

/// What a mesh in containers needs, for one test at a time; `None` after saying that `test` is skipped.
async fn prepare(test: &str) -> Option<(MutexGuard<'static, ()>, &'static Engine, Manifests)> {
    static ONE: Mutex<()> = Mutex::const_new(());
    let one = ONE.lock().await;
    let manifests = Manifests::render(test, OVERLAY)?;
    Some((one, Engine::get(test).await?, manifests))
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_placed_and_asked_for_across_containers() {
    let Some((_one, engine, manifests)) = prepare("orders_are_placed_and_asked_for_across_containers").await
    else {
        return;
    };
    let cluster = Cluster::run(engine, &manifests).await;
    let clients = cluster.clients();
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("teapot", "KITCHEN", 2500).await.unwrap();
    let stock = CreateStockItemRequest { sku: "teapot".to_owned(), on_hand: 10, ..Default::default() };
    clients.inventory.clone().create_stock_item(stock).await.unwrap();
    let request = place_order("place-1", "1", "ada", &[("teapot", 2)]);
    clients.orders.clone().place_order(request).await.unwrap();
    assert_eq!(clients.settled("1").await.get_ref().state(), OrderState::Confirmed);
    clients.wait_at_rest().await;
    let answer = clients.query("SELECT state, total_minor_units FROM orders").await.unwrap();
    assert_eq!(answer.rows, [["CONFIRMED", "5000"]]);
    let mut insights = InsightsClient::new(cluster.host_port(50050).unwrap());
    let revenue = insights.revenue_by_region(RevenueByRegionRequest::default()).await.unwrap().into_inner();
    assert_eq!(revenue.rows.len(), 1, "the views come with the manifests: {revenue:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_paused_or_disconnected_nothing_is_lost() {
    let Some((_one, engine, manifests)) =
        prepare("whatever_is_killed_paused_or_disconnected_nothing_is_lost").await
    else {
        return;
    };
    let members: Vec<_> = Cluster::members().collect();
    let count = setting("COUNT", members.len());
    let seed = setting("SEED", rand::random::<u32>().into());
    eprintln!("COUNT={count} SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Cluster::run(engine, &manifests).await;
    let clients = cluster.clients();
    let load = Load::start(&clients, 4, seed);
    for (done, member) in members.into_iter().cycle().take(count).enumerate() {
        load.wait_for(20).await;
        let pod = cluster.pod(member);
        let fault = random.random_range(0..3);
        eprintln!("{done} of {count}: {member} is {}", ["killed", "paused", "cut off"][fault]);
        match fault {
            0 => {
                pod.kill();
                pod.restart();
            }
            1 => {
                pod.pause();
                sleep(Duration::from_millis(random.random_range(500..3_000))).await;
                pod.unpause();
            }
            _ => {
                pod.disconnect();
                sleep(Duration::from_millis(random.random_range(500..6_000))).await;
                pod.connect();
            }
        }
        ready_again(pod).await;
    }
    load.wait_for(20).await;
    let audit = checker::audit(&clients, &load.stop().await).await;
    assert_eq!(audit, Ok(()), "SEED={seed}\n{}", cluster.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_fails_no_call() {
    let Some((_one, engine, manifests)) = prepare("a_rolling_restart_under_load_fails_no_call").await else {
        return;
    };
    let mut cluster = Cluster::run(engine, &manifests).await;
    let clients = cluster.clients();
    let load = Load::start(&clients, 4, 1);
    for member in Cluster::members() {
        load.wait_for(20).await;
        let pod = cluster.pod_mut(member);
        let (before, grace) = (pod.address(), pod.grace());
        let stopped = pod.stop().await;
        assert_eq!(stopped.code, 0, "{member} drains\n{}", pod.log_tail());
        assert!(stopped.took < grace, "{member} took {:?} of {grace:?}", stopped.took);
        pod.replace();
        ready_again(pod).await;
        eprintln!("{member}: {before} => {}, drained in {:?}", pod.address(), stopped.took);
    }
    load.wait_for(20).await;
    let ledger = load.stop().await;
    let unsafe_to_retry: Vec<_> = ledger.failed.iter().filter(|status| !is_safe_to_retry(status)).collect();
    eprintln!("{} calls, {} attempts failed", ledger.acknowledged.len(), ledger.failed.len());
    assert!(unsafe_to_retry.is_empty(), "{unsafe_to_retry:#?}\n{}", cluster.log_tail());
    let audit = checker::audit(&clients, &ledger).await;
    assert_eq!(audit, Ok(()), "{}", cluster.log_tail());
}

/// Its node is gone: connections to it hear nothing any more, and it comes back elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_callee_at_a_new_address_is_noticed_within_five_seconds() {
    let Some((_one, engine, manifests)) =
        prepare("a_callee_at_a_new_address_is_noticed_within_five_seconds").await
    else {
        return;
    };
    let mut cluster = Cluster::run(engine, &manifests).await;
    let clients = cluster.clients();
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("teapot", "KITCHEN", 2500).await.unwrap();
    clients.wait_caught_up().await;
    for (round, member) in ["catalog", "customers"].into_iter().enumerate() {
        let order = format!("before-{member}");
        place(&cluster, &order).await.unwrap();
        let pod = cluster.pod_mut(member);
        let before = pod.address();
        pod.disconnect();
        pod.kill();
        pod.replace();
        ready_again(pod).await;
        let ready = Instant::now();
        assert_ne!(pod.address(), before, "{member} is elsewhere");
        let order = format!("after-{member}");
        wait::until("orders finds it", || async { place(&cluster, &order).await }).await;
        let found = ready.elapsed();
        clients.create_customer(&format!("c{round}"), "ASIA").await.unwrap();
        clients.create_product(&format!("p{round}"), "TOOLS", 100).await.unwrap();
        clients.wait_caught_up().await;
        let followed = ready.elapsed();
        eprintln!("{member}: called after {found:?}, followed after {followed:?}");
        assert!(followed < NOTICED, "{member}: {found:?}, {followed:?}\n{}", cluster.log_tail());
    }
}

async fn place(cluster: &Cluster, order: &str) -> Result<(), Status> {
    let request = place_order(&format!("place-{order}"), order, "ada", &[("teapot", 1)]);
    cluster.clients().orders.place_order(request).await.map(drop)
}

async fn ready_again(pod: &Pod) {
    pod.until_ready().await.unwrap_or_else(|why| panic!("{why}"));
}

/// What is changed in the manifests, and of which workload.
type Change = (&'static str, &'static str, fn(&mut Manifests));

const CHANGES: [Change; 9] = [
    ("the address for gRPC", "catalog", |manifests| {
        set(manifests, "catalog", "TRIBUTARY_LISTEN", "0.0.0.0:50062");
    }),
    ("the address for probes", "catalog", |manifests| {
        set(manifests, "catalog", "TRIBUTARY_ADMIN_LISTEN", "0.0.0.0:51062");
    }),
    ("the port of the container", "customers", |manifests| {
        let ports = manifests.workload_mut("customers").container_mut().ports.as_mut().unwrap();
        ports.iter_mut().find(|port| port.name.as_deref() == Some("grpc")).unwrap().container_port = 50061;
    }),
    ("the port that its Service leads to", "customers", |manifests| {
        for service in &mut manifests.services {
            let spec = service.spec.as_mut().unwrap();
            for port in spec.ports.iter_mut().flatten().filter(|port| port.node_port == Some(30051)) {
                port.target_port = Some(IntOrString::String("feed".to_owned()));
            }
        }
    }),
    ("the port of the readiness probe", "query-gateway", |manifests| {
        let probe = manifests.workload_mut("query-gateway").container_mut().readiness_probe.as_mut().unwrap();
        probe.grpc.as_mut().unwrap().port = 51060;
    }),
    ("the volume of a store in sled", "catalog", |manifests| unmount(manifests, "catalog", "data")),
    ("the volume of a store in SQLite", "customers", |manifests| unmount(manifests, "customers", "data")),
    ("the views", "query-gateway", |manifests| unmount(manifests, "query-gateway", "views")),
    ("the typed queries", "query-gateway", |manifests| unmount(manifests, "query-gateway", "api")),
];

fn set(manifests: &mut Manifests, workload: &str, variable: &str, value: &str) {
    let variables = manifests.workload_mut(workload).container_mut().env.as_mut().unwrap();
    variables.iter_mut().find(|other| other.name == variable).unwrap().value = Some(value.to_owned());
}

fn unmount(manifests: &mut Manifests, workload: &str, volume: &str) {
    let mounts = manifests.workload_mut(workload).container_mut().volume_mounts.as_mut().unwrap();
    let before = mounts.len();
    mounts.retain(|mount| mount.name != volume);
    assert_eq!(mounts.len() + 1, before, "{workload} mounts {volume}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_port_or_a_missing_mount_is_found() {
    let Some((_one, engine, mut manifests)) = prepare("a_changed_port_or_a_missing_mount_is_found").await
    else {
        return;
    };
    for workload in manifests.workloads.values_mut() {
        if let Some(probe) = &mut workload.container_mut().startup_probe {
            // What never starts is not waited for for as long as a store may need.
            probe.failure_threshold = Some(10);
        }
    }
    let unchanged = ["catalog", "customers", "query-gateway"].map(async |member| {
        let served = Cluster::start(engine, &manifests, &[member]).serves(member).await;
        assert_eq!(served, Ok(()), "{member} as it is");
    });
    join_all(unchanged).await;
    // Most of the time is for what does not come: side by side it is waited for once.
    let changed = CHANGES.map(async |(what, member, change)| {
        let mut changed = manifests.clone();
        change(&mut changed);
        let served = Cluster::start(engine, &changed, &[member]).serves(member).await;
        let why = served.expect_err(&format!("{member} without {what}"));
        eprintln!("{member}, {what}: {}", why.lines().next().unwrap_or_default());
    });
    join_all(changed).await;
}
