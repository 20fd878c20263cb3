//! A collector that is away or hangs costs spans, and nothing else: commands go on, memory is bounded, and who is asked
//! to end, ends.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mesh_tests::{
    clients::Clients, collector::Collector, mesh::own_loopback_address, process::Process, wait,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Commands until every queue has been full for long.
const WARM: u64 = 1_500;
/// Commands between the two looks at memory. Each makes a span of its call and one of its commit, besides that of the
/// group that it is part of.
const MEASURED: u64 = 8_000;
/// Spans that wait at most, by default: those of the queue and those of the batch that is being sent.
const WAITING: u64 = 2_048 + 512;
/// What a span has beside its place in the queue, which is there from the start: some 500 bytes, and 3 KiB more with 32 links.
const SPAN_BYTES: u64 = 2_000;
/// How much a process may grow.
const GROWTH: u64 = WAITING * SPAN_BYTES;
/// How long a process may take to end.
const END: Duration = Duration::from_secs(5);
const CALLERS: u64 = 32;
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A service, and a gateway that is to follow it.
struct Pair {
    collector: Collector,
    host: String,
    root: TempDir,
    service: Process,
}

impl Pair {
    async fn start(collector: Collector, more: &[(&str, &str)]) -> Self {
        let (host, root) = (own_loopback_address(), tempfile::tempdir().unwrap());
        let endpoint = collector.endpoint();
        let environment = [&[(ENDPOINT, endpoint.as_str())], more].concat();
        let service =
            Process::start_with("customers", "customers", root.path(), &host, Vec::new(), &environment).await;
        Self { collector, host, root, service }
    }

    async fn gateway(&self) -> Process {
        let (name, source) = ("query-gateway", format!("--source=customers={}", self.service.url()));
        let environment = [(ENDPOINT, &*self.collector.endpoint())];
        Process::start_with(name, name, self.root.path(), &self.host, vec![source], &environment).await
    }

    /// By how much the service grew under load.
    async fn growth(&self, name: &str) -> u64 {
        let url = self.service.url();
        let load = Load::start(&Clients::connect(|_| url.clone()));
        load.wait_for(WARM).await;
        let before = self.service.resident_bytes();
        load.wait_for(WARM + MEASURED).await;
        let after = self.service.resident_bytes();
        load.stop().await;
        let growth = after.saturating_sub(before);
        eprintln!("{name}: grew by {} KiB from {} KiB", growth >> 10, before >> 10);
        growth
    }
}

/// Callers that create customers; each command must be acknowledged.
struct Load {
    callers: JoinSet<()>,
    acknowledged: Arc<AtomicU64>,
}

impl Load {
    fn start(clients: &Clients) -> Self {
        let (mut callers, acknowledged) = (JoinSet::new(), Arc::<AtomicU64>::default());
        for caller in 0..CALLERS {
            let (clients, acknowledged) = (clients.clone(), Arc::clone(&acknowledged));
            callers.spawn(async move {
                for number in 0.. {
                    let id = format!("c-{caller}-{number}");
                    clients.create_customer(&id, "EUROPE").await.expect("it is acknowledged");
                    if acknowledged.fetch_add(1, Ordering::Relaxed) >= WARM + MEASURED {
                        break;
                    }
                }
            });
        }
        Self { callers, acknowledged }
    }

    async fn wait_for(&self, count: u64) {
        let mut seen = 0;
        while seen < count {
            seen = wait::until("more commands are acknowledged", || async {
                let now = self.acknowledged.load(Ordering::Relaxed);
                if now > seen { Ok(now) } else { Err("none is") }
            })
            .await;
        }
    }

    /// None of its callers was refused.
    async fn stop(mut self) {
        while let Some(caller) = self.callers.join_next().await {
            caller.expect("a caller was answered to its end");
        }
    }
}

async fn costs_spans_and_nothing_else(name: &str, collector: Collector) {
    let mut pair = Pair::start(collector, &[]).await;
    let growth = pair.growth(name).await;
    assert!(growth < GROWTH, "{name}: grew by {growth} bytes, which is more than {GROWTH}");
    let mut gateway = pair.gateway().await;
    let (service_url, gateway_url) = (pair.service.url(), gateway.url());
    let url = |name: &str| if name == "query-gateway" { gateway_url.clone() } else { service_url.clone() };
    let clients = Clients::connect(url);
    let heads = clients.heads().await.unwrap();
    let answer = clients.query_after("SELECT COUNT(*) AS n FROM customers", &heads).await.unwrap();
    assert!(answer.rows[0][0].parse::<u64>().unwrap() > WARM + MEASURED, "{answer:?}");
    for process in [&mut gateway, &mut pair.service] {
        let start = Instant::now();
        let code = process.terminate();
        let (took, log) = (start.elapsed(), process.log());
        eprintln!("{name}: ended after {took:?}");
        assert!(code == Some(0) && took < END, "{name}: ended with {code:?} after {took:?}:\n{log}");
        assert!(log.contains("the last traces, metrics or logs were lost"), "{name}:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    costs_spans_and_nothing_else("away", Collector::absent()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_costs_spans_and_nothing_else() {
    costs_spans_and_nothing_else("never answers", Collector::that_never_answers().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_reads_costs_spans_and_nothing_else() {
    costs_spans_and_nothing_else("never reads", Collector::that_never_reads().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_without_a_bound_is_found() {
    let collector = Collector::that_never_answers().await;
    let pair = Pair::start(collector, &[("OTEL_BSP_MAX_QUEUE_SIZE", "50000")]).await;
    let growth = pair.growth("without a bound").await;
    assert!(growth > GROWTH, "grew by {growth} bytes, although all spans wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_arrive_once_the_collector_is_there() {
    let mut pair = Pair::start(Collector::absent(), &[("OTEL_BSP_SCHEDULE_DELAY", "100")]).await;
    let url = pair.service.url();
    let clients = Clients::connect(|_| url.clone());
    clients.create_customer("lost", "EUROPE").await.unwrap();
    wait::until("an export has failed", || async {
        let log = pair.service.log();
        if log.contains("Export.Failed") { Ok(()) } else { Err(log) }
    })
    .await;
    pair.collector.comes().await;
    wait::until("a span arrives", || async {
        clients.create_customer("again", "EUROPE").await.map_err(|status| status.to_string())?;
        let arrived = pair.collector.received().spans().any(|span| span.name.ends_with("/CreateCustomer"));
        if arrived { Ok(()) } else { Err("none did".to_owned()) }
    })
    .await;
}
