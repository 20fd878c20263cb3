//! The mesh of overlays/kind: it is used, broken, and replaced pod by pod under load, and nothing that was acknowledged is lost.

use std::time::Duration;

use mesh_tests::{
    checker,
    clients::place_order,
    containers::Cluster,
    load::{Load, is_safe_to_retry},
    setting::setting,
    wait,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use shop_proto::{
    insights::v1::{RevenueByRegionRequest, insights_client::InsightsClient},
    inventory::v1::CreateStockItemRequest,
    orders::v1::OrderState,
};
use tokio::time::{Instant, sleep};
use tonic::Status;

use crate::{KIND, NOTICED, alone, beside, prepare, ready};

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_placed_and_asked_for_across_containers() {
    let _beside = beside().await;
    let Some((engine, manifests)) = prepare("orders_are_placed_and_asked_for_across_containers", KIND).await
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
    let _beside = beside().await;
    let Some((engine, manifests)) =
        prepare("whatever_is_killed_paused_or_disconnected_nothing_is_lost", KIND).await
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
        ready(pod).await;
    }
    load.wait_for(20).await;
    let audit = checker::audit(&clients, &load.stop().await).await;
    assert_eq!(audit, Ok(()), "SEED={seed}\n{}", cluster.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_fails_no_call() {
    let _beside = beside().await;
    let Some((engine, manifests)) = prepare("a_rolling_restart_under_load_fails_no_call", KIND).await else {
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
        ready(pod).await;
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
    let _alone = alone().await;
    let Some((engine, manifests)) =
        prepare("a_callee_at_a_new_address_is_noticed_within_five_seconds", KIND).await
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
        ready(pod).await;
        let began = Instant::now();
        assert_ne!(pod.address(), before, "{member} is elsewhere");
        let order = format!("after-{member}");
        wait::until("orders finds it", || async { place(&cluster, &order).await }).await;
        let found = began.elapsed();
        clients.create_customer(&format!("c{round}"), "ASIA").await.unwrap();
        clients.create_product(&format!("p{round}"), "TOOLS", 100).await.unwrap();
        clients.wait_caught_up().await;
        let followed = began.elapsed();
        eprintln!("{member}: called after {found:?}, followed after {followed:?}");
        assert!(followed < NOTICED, "{member}: {found:?}, {followed:?}\n{}", cluster.log_tail());
    }
}

async fn place(cluster: &Cluster, order: &str) -> Result<(), Status> {
    let request = place_order(&format!("place-{order}"), order, "ada", &[("teapot", 1)]);
    cluster.clients().orders.place_order(request).await.map(drop)
}
