//! What the mesh does per second, and how long a write takes to be seen: real processes, release build.
//!
//! `make bench BENCH=mesh|composition|commands|instances|feed|gateway|visible`. Each prints its settings and one JSON object per figure. Only
//! ratios against the baseline of the same run, taken in turns with it, can be compared between machines;
//! the disk's own sync time is printed beside them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints"
)]

mod composition;
mod instances;
mod whole;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mesh_tests::{
    binaries,
    clients::{Clients, positions},
    mesh::{Mesh, own_loopback_address},
    process::Process,
};
use serde_json::json;
use tokio::task::JoinSet;
use tributary_proto::feed::v1::{
    DescribeRequest, Position, SubscribeRequest, change_feed_client::ChangeFeedClient,
    subscribe_request::Start, subscribe_response::Frame,
};

/// How long one measurement of a round takes.
const SPAN: Duration = Duration::from_secs(3);
/// Rounds; what is compared is measured in turns in each.
const ROUNDS: usize = 5;
/// Changes of a feed that is read or applied from its beginning.
const CHANGES: u64 = 20_000;

/// What can be chosen; `mesh` includes `composition`.
const BENCHES: [&str; 7] = ["mesh", "composition", "commands", "instances", "feed", "gateway", "visible"];

#[tokio::main]
async fn main() {
    let wanted = std::env::var("BENCH").unwrap_or_default();
    let all = wanted.is_empty() || wanted == "all";
    let root = tempfile::tempdir().unwrap();
    if !all && !BENCHES.contains(&wanted.as_str()) {
        println!("no benchmark `{wanted}`: {} or all", BENCHES.join(", "));
        std::process::exit(64);
    }
    println!(
        "{}",
        json!({"cores": std::thread::available_parallelism().unwrap().get(), "rounds": ROUNDS, "disk_sync_us": disk_sync(root.path())})
    );
    if all || wanted == "mesh" {
        whole::at_rest().await;
        whole::orders().await;
    }
    if all || wanted == "mesh" || wanted == "composition" {
        composition::measure().await;
    }
    if all || wanted == "commands" {
        commands(root.path()).await;
    }
    if all || wanted == "instances" {
        instances::measure(root.path()).await;
    }
    if all || wanted == "feed" || wanted == "gateway" {
        feed_and_gateway(root.path()).await;
    }
    if all || wanted == "visible" {
        visible().await;
    }
}

/// Microseconds that the disk takes to make 4 KiB durable: median and 99th percentile of 200.
fn disk_sync(directory: &Path) -> serde_json::Value {
    let mut file = File::create(directory.join("sync")).unwrap();
    let times = (0..200).map(|_| {
        file.write_all(&[7; 4096]).unwrap();
        let start = Instant::now();
        file.sync_data().unwrap();
        start.elapsed()
    });
    percentiles(times.collect())
}

fn percentiles(mut times: Vec<Duration>) -> serde_json::Value {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    json!({"p50": at(50), "p99": at(99), "n": times.len()})
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Durable commands per second of both stores, through gRPC, against one commit per command.
async fn commands(root: &Path) {
    for (program, store) in [("customers", "sqlite"), ("catalog", "sled")] {
        let host = own_loopback_address();
        let grouped = Process::start(program, &format!("{program}-grouped"), root, &host, vec![]).await;
        let limit = vec!["--group-limit".to_owned(), "1".to_owned()];
        let single = Process::start(program, &format!("{program}-single"), root, &host, limit).await;
        for callers in [1, 32] {
            let (mut with, mut without) = (Vec::new(), Vec::new());
            for round in 0..ROUNDS {
                with.push(commands_per_second(&grouped, program, callers, round).await);
                without.push(commands_per_second(&single, program, callers, round).await);
            }
            let (with, without) = (median(with), median(without));
            println!(
                "{}",
                json!({"bench": "commands", "store": store, "clients": callers, "per_second": with.round(),
                    "baseline_one_commit_per_command": without.round(), "ratio": (with / without * 100.0).round() / 100.0})
            );
        }
    }
}

async fn commands_per_second(process: &Process, program: &str, callers: usize, round: usize) -> f64 {
    let url = process.url();
    let clients = Clients::connect(|_| url.clone());
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut set = JoinSet::new();
    let start = Instant::now();
    for caller in 0..callers {
        let (clients, stop, done, customers) =
            (clients.clone(), Arc::clone(&stop), Arc::clone(&done), program == "customers");
        set.spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let id = format!("{callers}-{round}-{caller}-{number}");
                if customers {
                    clients.create_customer(&id, "EUROPE").await.unwrap();
                } else {
                    clients.create_product(&id, "TOOLS", 100).await.unwrap();
                }
                done.fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
        });
    }
    tokio::time::sleep(SPAN).await;
    let figure = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    while set.join_next().await.is_some() {}
    figure
}

/// A feed of [`CHANGES`] changes, read from its beginning by a plain subscriber, and applied by a gateway.
async fn feed_and_gateway(root: &Path) {
    let service = Process::start("customers", "source", root, &own_loopback_address(), vec![]).await;
    let url = service.url();
    let clients = Clients::connect(|_| url.clone());
    let mut set = JoinSet::new();
    for caller in 0..64 {
        let clients = clients.clone();
        set.spawn(async move {
            for number in 0..CHANGES / 64 + 1 {
                clients.create_customer(&format!("{caller}-{number}"), "EUROPE").await.unwrap();
            }
        });
    }
    while set.join_next().await.is_some() {}
    let (mut read, mut single, mut applied) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        read.push(feed_per_second(&service, 0).await);
        single.push(feed_per_second(&service, 1).await);
        applied.push(applied_per_second(root, &service, round).await);
    }
    let (read, single, applied) = (median(read), median(single), median(applied));
    println!(
        "{}",
        json!({"bench": "feed", "changes": CHANGES, "events_per_second": read.round(),
            "baseline_one_command_per_frame": single.round(), "ratio": (read / single * 100.0).round() / 100.0})
    );
    println!(
        "{}",
        json!({"bench": "gateway", "changes": CHANGES, "changes_per_second": applied.round(),
            "baseline_feed_alone": read.round(), "ratio": (applied / read * 100.0).round() / 100.0,
            "note": "from the start of the process to the last row visible: start-up, snapshot and tail"})
    );
}

async fn feed_per_second(service: &Process, max_frame_bytes: u32) -> f64 {
    let mut feed = ChangeFeedClient::new(service.channel()).max_decoding_message_size(8 << 20);
    let head = feed.describe(DescribeRequest {}).await.unwrap().into_inner().head.unwrap();
    let after = Position { sequence: 0, digest: 0, ..head.clone() };
    let request = SubscribeRequest {
        start: Some(Start::After(after)),
        consumer: "bench".to_owned(),
        max_frame_bytes,
        ..Default::default()
    };
    let start = Instant::now();
    let mut frames = feed.subscribe(request).await.unwrap().into_inner();
    let mut read = 0;
    while read < head.sequence {
        if let Some(Frame::Changes(changes)) = frames.message().await.unwrap().unwrap().frame {
            read += changes.changes.len() as u64;
        }
    }
    read as f64 / start.elapsed().as_secs_f64()
}

async fn applied_per_second(root: &Path, service: &Process, round: usize) -> f64 {
    let name = format!("gateway-{round}");
    let source = format!("--source=customers={}", service.url());
    let start = Instant::now();
    let gateway = Process::start("query-gateway", &name, root, &own_loopback_address(), vec![source]).await;
    let (service, gateway) = (service.url(), gateway.url());
    let clients =
        Clients::connect(|name| if name == "query-gateway" { gateway.clone() } else { service.clone() });
    let heads = clients.heads().await.unwrap();
    clients.query_after("SELECT COUNT(*) AS n FROM customers", &heads).await.unwrap();
    CHANGES as f64 / start.elapsed().as_secs_f64()
}

/// From the acknowledgement of a write to an answer that contains it, on an otherwise idle mesh; beside it
/// the same query without a token.
async fn visible() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    clients.wait_caught_up().await;
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for number in 0..1000 {
        let start = Instant::now();
        let reply = clients.create_customer(&format!("c-{number}"), "EUROPE").await.unwrap();
        times.entry("write").or_default().push(start.elapsed());
        let sql = format!("SELECT region FROM customers WHERE customer_id = 'c-{number}'");
        let start = Instant::now();
        let answer = clients.query_after(&sql, &positions(&reply)).await.unwrap();
        times.entry("write_to_visible").or_default().push(start.elapsed());
        assert_eq!(answer.rows, [["EUROPE"]]);
        let start = Instant::now();
        clients.query(&sql).await.unwrap();
        times.entry("query_alone").or_default().push(start.elapsed());
    }
    let median_of = |name| {
        let mut times: Vec<Duration> = times[name].clone();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let ratio = (median_of("write_to_visible") / median_of("query_alone") * 100.0).round() / 100.0;
    let figures: BTreeMap<_, _> = times.into_iter().map(|(name, times)| (name, percentiles(times))).collect();
    println!(
        "{}",
        json!({"bench": "visible", "unit": "microseconds", "figures": figures, "ratio_to_query_alone": ratio, "binaries": binaries::directory().file_name().unwrap().to_string_lossy()})
    );
}
