//! Of traces that are sampled by their share, each is whole; `make bench BENCH=traced-orders` has the rate of a release
//! build.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use mesh_tests::{collector::Collector, sampled};

const ORDERS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn every_sampled_order_is_traced_until_it_is_seen() {
    let collector = Collector::start().await;
    let mesh = sampled::mesh(&collector, 0.5).await;
    let clients = mesh.clients();
    sampled::place(&clients, ORDERS, 20).await;
    clients.wait_at_rest().await;
    let traces = sampled::wait_whole(&collector).await;
    assert_eq!(traces.whole, traces.sampled);
    // Of a hundred, fewer than ten or more than ninety come once in 10^17 runs.
    assert!((10..=90).contains(&traces.sampled), "{traces:?}");
}
