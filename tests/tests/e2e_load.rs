//! `tributary load tpch`: what it brings about is what the generator says, to the cent, however often it was
//! interrupted; and it stays so when the shop goes on.
//!
//! SCALE of TPC-H, up to 0.06: beyond, an answer to "all customers" is cut short. SEED of what is left to chance.
//! `make soak-load SCALE=0.01` is the large form.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::{collections::BTreeMap, process::Command};

use mesh_tests::{
    amendments::Amendments,
    binaries,
    clients::place_order,
    insights::{Inquiry, assert_same},
    loader::Loader,
    model::Model,
    supervised::Supervised,
    tpch, wait,
};
use nix::sys::signal::Signal;
use prost_types::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use shop_proto::orders::v1::PlaceOrderRequest;
use tonic::{Status, transport::Endpoint};

const INTERRUPTIONS: usize = 5;
const AMENDMENTS: u64 = 500;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn scale() -> String {
    variable("SCALE").unwrap_or_else(|| "0.001".to_owned())
}

/// How many of each are to be there: customers, products, orders.
fn counts(model: &Model) -> [u64; 3] {
    [model.customers.len(), model.products.len(), model.orders.len()].map(|count| count as u64)
}

/// How many changes that makes: an order is placed, and confirmed.
fn changes_in_all(model: &Model) -> [u64; 3] {
    let [customers, products, orders] = counts(model);
    [customers, products, 2 * orders]
}

/// How many changes there are once every order is confirmed.
async fn changes_at_rest(mesh: &Supervised) -> [u64; 3] {
    mesh.clients().wait_at_rest().await;
    changes(mesh).await.unwrap()
}

/// How many changes each service has made in its history.
async fn changes(mesh: &Supervised) -> Result<[u64; 3], Status> {
    let heads = mesh.clients().heads().await?;
    let of = |name| heads.iter().find(|position| position.service == name).unwrap().sequence;
    Ok(["customers", "catalog", "orders"].map(of))
}

/// Waits until so many changes were made, however long that takes as long as there are ever more.
async fn wait_for_changes(mesh: &Supervised, goal: u64) {
    let mut made = 0;
    while made < goal {
        made = wait::until("there are more changes", || async {
            let now = changes(mesh).await.map_err(|status| status.to_string())?.iter().sum();
            if now > made { Ok(now) } else { Err(format!("{now} of {goal}")) }
        })
        .await;
    }
}

/// Starts a load again and again, and ends each at a moment drawn at random: half of them by Ctrl-C, half by
/// `kill -9`.
async fn load_with_interruptions(mesh: &Supervised, total: u64, random: &mut StdRng) {
    // The last stretch is left to the load that is to finish: a signal must not come behind the end.
    let mut moments: Vec<u64> = (0..INTERRUPTIONS).map(|_| random.random_range(1..total * 6 / 10)).collect();
    moments.sort_unstable();
    let mut signals = [Signal::SIGINT, Signal::SIGKILL, Signal::SIGINT, Signal::SIGKILL, Signal::SIGKILL];
    signals.shuffle(random);
    for (moment, signal) in moments.into_iter().zip(signals) {
        let loader = Loader::start(mesh.host(), &scale(), &["--concurrency", "4"]);
        wait_for_changes(mesh, moment).await;
        let ended = loader.signal(signal);
        eprintln!("{signal} behind change {moment} of {total}");
        match signal {
            Signal::SIGINT => {
                assert_eq!(ended.code, Some(130), "{}", ended.said);
                assert!(ended.said.contains("run the same command again"), "{}", ended.said);
            }
            _ => assert_eq!(ended.signal, Some(signal as i32), "{}", ended.said),
        }
    }
}

async fn check_insights(mesh: &Supervised, model: &Model) {
    let clients = mesh.clients();
    let after = clients.wait_at_rest().await;
    let gateway = format!("http://{}", mesh.address("query-gateway"));
    let channel = Endpoint::from_shared(gateway).unwrap().connect_lazy();
    let expected = model.insights();
    let found = Inquiry::new(&clients, channel, after).all(&expected).await;
    assert_same(&found, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_is_what_the_generator_says_however_often_it_was_interrupted() {
    let seed = variable("SEED").map_or_else(rand::random, |text| text.parse().expect("a number"));
    eprintln!("SCALE={} SEED={seed}", scale());
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = tpch::shop(&scale());
    let mesh = Supervised::start().await;
    load_with_interruptions(&mesh, counts(&model).iter().sum(), &mut random).await;

    // Two at once: what one adds behind the other's back is not added again.
    let both = [(); 2].map(|()| Loader::start(mesh.host(), &scale(), &[]));
    for loader in both {
        let ended = loader.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    assert_eq!(changes_at_rest(&mesh).await, changes_in_all(&model), "each thing was written once");
    let again = Loader::start(mesh.host(), &scale(), &[]).end().await;
    assert_eq!(again.code, Some(0), "{}", again.said);
    assert_eq!(changes_at_rest(&mesh).await, changes_in_all(&model), "a second time it has no second effect");
    check_insights(&mesh, &model).await;

    let clients = mesh.clients();
    let mut amendments = Amendments { clients: &clients, model: &mut model, random, made: BTreeMap::new() };
    for _ in 0..AMENDMENTS {
        amendments.one().await;
    }
    eprintln!("{AMENDMENTS} amendments: {:?}", amendments.made);
    check_insights(&mesh, &model).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_is_waited_for_as_long_as_patience_lasts() {
    let scale = "0.0005";
    let model = tpch::shop(scale);
    let [customers, products, orders] = counts(&model);
    let mut mesh = Supervised::start().await;
    let loader = Loader::start(mesh.host(), scale, &["--concurrency", "4"]);
    for (moment, victim) in [
        (1, "customers"),
        (customers + products + 1, "catalog"),
        (customers + products + orders / 3, "orders"),
    ] {
        wait_for_changes(&mesh, moment).await;
        assert!(mesh.kill_child(victim), "{}", mesh.log_tail());
    }
    let ended = loader.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_eq!(changes_at_rest(&mesh).await, changes_in_all(&model), "each thing was written once");

    let loader = Loader::start(mesh.host(), "0.0006", &["--patience", "1s"]);
    wait_for_changes(&mesh, changes_in_all(&model).iter().sum::<u64>() + 1).await;
    mesh.kill_up().await;
    let ended = loader.end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(ended.said.contains("waits for") && ended.said.contains("--patience"), "{}", ended.said);
    assert!(ended.said.contains("run the same command again"), "{}", ended.said);
}

/// The reply to a request id is kept for a week. Here somebody else has placed the order, under a request id of
/// their own, after the loader has looked what is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_under_a_request_id_that_is_forgotten_is_not_added_again() {
    let scale = "0.0003";
    let model = tpch::shop(scale);
    let [customers, products, orders] = counts(&model);
    let mesh = Supervised::start().await;
    let loader = Loader::start(mesh.host(), scale, &["--concurrency", "1"]);
    wait_for_changes(&mesh, customers + products + 1).await;
    let (id, order) = model.orders.last_key_value().unwrap();
    let lines: Vec<_> = order.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
    let request = PlaceOrderRequest {
        order_time: Some(Timestamp { seconds: order.time, nanos: 0 }),
        ..place_order("forgotten", id, &order.customer, &lines)
    };
    mesh.clients().orders.place_order(request).await.unwrap();

    let ended = loader.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let summary = ended.said.lines().rfind(|line| line.starts_with("orders")).unwrap();
    assert!(summary.contains(&format!(" {orders} in ")) && summary.contains("; 1 found there"), "{summary}");
    assert_eq!(changes_at_rest(&mesh).await, changes_in_all(&model), "each thing was written once");
    check_insights(&mesh, &model).await;
}

#[test]
fn a_command_line_that_cannot_be_right_is_told_what_would_be() {
    let tributary = |arguments: &[&str]| {
        let output = Command::new(binaries::path("tributary")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (arguments, hint) in [
        (&["load", "tcph"][..], "'tpch'"),
        (&["load", "tpch", "--scale", "0"], "0.0001"),
        (&["load", "tpch", "--scale", "1000"], "10"),
        (&["load", "tpch"], "--scale"),
        (&["load", "tpch", "--scale", "1", "--concurrency", "0"], "1..=256"),
    ] {
        let (code, said) = tributary(arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {said}");
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
}
