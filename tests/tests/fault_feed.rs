//! A subscriber that does not read costs nobody anything, and a gateway that was away for longer than the
//! feed is kept comes back exact.

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
    load::Load,
    mesh::{Mesh, MeshOptions, SERVICES},
    wait,
};
use shop_proto::customers::v1::DeleteCustomerRequest;
use tokio::time::Instant;
use tonic::{Code, transport::Endpoint};
use tonic_types::StatusExt as _;
use tributary_chassis::{fault::Reason, position::Position};
use tributary_proto::feed::v1::{
    DescribeRequest, SubscribeRequest, change_feed_client::ChangeFeedClient, subscribe_request::Start,
};

/// How long the subscriber reads nothing.
const STALL: Duration = Duration::from_secs(60);
/// How much a process may grow for its sake.
const GROWTH: u64 = 20 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_subscriber_is_cut_off_with_its_position() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    // Warm: what the service allocates for its own work is not the subscriber's.
    let load = Load::start(&clients, 8, 1);
    load.wait_for(300).await;
    // A small window: what the transport buffers for a subscriber is not what stalls it.
    let endpoint = Endpoint::from_shared(mesh.orders.url()).unwrap().initial_stream_window_size(64 << 10);
    let mut feed = ChangeFeedClient::new(endpoint.connect_lazy());
    let description = feed.describe(DescribeRequest {}).await.unwrap().into_inner();
    let start = tributary_proto::feed::v1::Position { sequence: 0, digest: 0, ..description.head.unwrap() };
    let request = SubscribeRequest {
        start: Some(Start::After(start)),
        consumer: "stalled".to_owned(),
        ..Default::default()
    };
    let mut frames = feed.subscribe(request).await.unwrap().into_inner();
    frames.message().await.unwrap().expect("a first frame");

    let (before, at_start) = (mesh.orders.resident_bytes(), load.acknowledged());
    let (end, mut most, mut acknowledged) = (Instant::now() + STALL, before, at_start);
    while Instant::now() < end {
        load.wait_for(20).await;
        most = most.max(mesh.orders.resident_bytes());
        acknowledged = load.acknowledged();
    }
    eprintln!("grew by {} KiB while {} writes went on", (most - before) >> 10, acknowledged - at_start);
    assert!(most - before < GROWTH, "grew from {before} to {most}");
    load.stop().await;

    let cut_off = tokio::time::timeout(wait::PATIENCE, async {
        loop {
            match frames.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without a reason"),
                Err(status) => break status,
            }
        }
    });
    let cut_off = cut_off.await.expect("it was cut off while it did not read");
    assert_eq!(
        (cut_off.code(), Reason::of(&cut_off)),
        (Code::ResourceExhausted, Some(Reason::SubscriberStalled))
    );
    let details = cut_off.get_error_details();
    let position: Position = details.error_info().unwrap().metadata["position"].parse().unwrap();
    assert_eq!(position.service, "orders");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_below_the_oldest_position_takes_a_snapshot_and_is_exact() {
    let mut mesh = MeshOptions::default().service_flag("--feed-retain", "50").start().await;
    let clients = mesh.clients();
    let load = Load::start(&clients, 4, 2);
    load.wait_for(100).await;
    clients.create_customer("gone", "ASIA").await.unwrap();
    clients.wait_caught_up().await;
    mesh.gateway.kill();
    // What the gateway cannot learn from the feed any more: a deletion that was pruned.
    let request =
        DeleteCustomerRequest { customer_id: "gone".to_owned(), ..DeleteCustomerRequest::default() };
    clients.customers.clone().delete_customer(request).await.unwrap();
    for number in 0..80 {
        clients.create_customer(&format!("new-{number}"), "ASIA").await.unwrap();
        clients.create_product(&format!("new-{number}"), "TOOLS", 100).await.unwrap();
    }
    load.wait_for(100).await;
    for (service, feed) in SERVICES.into_iter().zip(&clients.feeds) {
        let description = feed.clone().describe(DescribeRequest {}).await.unwrap().into_inner();
        // Nobody pays by card here, and nothing is kept in stock.
        let is_idle = ["inventory", "payments"].contains(&service);
        assert!(is_idle || description.oldest.unwrap().sequence > 0, "{service} was pruned");
    }
    mesh.gateway.restart().await;
    load.wait_for(100).await;
    let ledger = load.stop().await;
    clients.wait_caught_up().await;
    let answer = clients.query("SELECT customer_id FROM customers WHERE customer_id = 'gone'").await.unwrap();
    assert!(answer.rows.is_empty(), "a row that vanished behind its back is gone");
    assert_eq!(checker::audit_without_history(&clients, &ledger).await, Ok(()));
}
