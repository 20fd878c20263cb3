//! What every process of a mesh measures, held against docs/metrics.md and against what was done.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use mesh_tests::{
    clients::{Clients, place_order},
    mesh::{Mesh, SERVICES},
    metrics::{Documented, Scraped, documented},
    wait,
};
use shop_proto::{
    inventory::v1::CreateStockItemRequest,
    orders::v1::{OrderState, PlaceOrderRequest},
};
use tributary_proto::{
    feed::v1::{SnapshotStart, SubscribeRequest, subscribe_request::Start, subscribe_response::Frame},
    query::v1::{ListViewsRequest, ViewKind, ViewState},
};

/// An order that is paid and confirmed, and one that is declined: something happens everywhere.
async fn traffic(clients: &Clients) {
    // Until its sources are filled, the gateway is told of no change: rows of a snapshot are none.
    clients.wait_caught_up().await;
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("saw", "TOOLS", 100).await.unwrap();
    let request = CreateStockItemRequest { sku: "saw".to_owned(), on_hand: 10, ..Default::default() };
    clients.inventory.clone().create_stock_item(request).await.unwrap();
    for (id, token, end) in
        [("o-1", "tok_ok", OrderState::Confirmed), ("o-2", "tok_declined", OrderState::Cancelled)]
    {
        let order = place_order(id, id, "ada", &[("saw", 1)]);
        let order = PlaceOrderRequest { payment_token: token.to_owned(), ..order };
        clients.orders.clone().place_order(order).await.unwrap();
        assert_eq!(clients.settled(id).await.into_inner().state(), end);
    }
    clients.wait_at_rest().await;
    for feed in &clients.feeds {
        snapshot(feed.clone()).await;
    }
}

/// A subscriber that takes a snapshot, and goes away.
async fn snapshot(
    mut feed: tributary_proto::feed::v1::change_feed_client::ChangeFeedClient<tonic::transport::Channel>,
) {
    let start = Some(Start::Snapshot(SnapshotStart::default()));
    let request = SubscribeRequest { start, consumer: "test".to_owned(), ..Default::default() };
    let mut frames = feed.subscribe(request).await.unwrap().into_inner();
    let mut rows = 0;
    loop {
        match frames.message().await.unwrap().unwrap().frame.unwrap() {
            Frame::SnapshotRows(frame) => rows += frame.rows.len(),
            Frame::SnapshotEnd(_) => break,
            _ => {}
        }
    }
    assert!(rows > 0, "something happened everywhere");
}

/// What is wrong with what a process serves, one line each.
fn differences(process: &str, scraped: &Scraped, documented: &[Documented]) -> Vec<String> {
    let expected: BTreeMap<_, _> = documented
        .iter()
        .filter(|metric| metric.of.contains(process))
        .map(|metric| (metric.name.as_str(), metric))
        .collect();
    let mut wrong = Vec::new();
    for name in expected.keys().filter(|name| !scraped.metrics.contains_key(**name)) {
        wrong.push(format!("{process} does not serve {name}"));
    }
    for (name, served) in &scraped.metrics {
        let Some(metric) = expected.get(name.as_str()) else {
            wrong.push(format!("{process} serves {name}, a {} of {:?}", served.kind, served.labels));
            continue;
        };
        let (kind, labels) = (metric.prometheus_kind(), &metric.labels);
        if (served.kind.as_str(), &served.labels) != (kind, labels) || !served.has_help {
            wrong
                .push(format!("{process} serves {name} as {served:?}, documented as a {kind} of {labels:?}"));
        }
    }
    wrong
}

async fn scrape(mesh: &Mesh) -> BTreeMap<&'static str, Scraped> {
    let mut scraped = BTreeMap::new();
    for process in SERVICES.into_iter().chain(["query-gateway"]) {
        scraped.insert(process, Scraped::from(mesh.process(process)).await);
    }
    scraped
}

#[test]
fn names_in_prometheus_follow_from_those_in_otlp() {
    let documented = documented();
    let names: BTreeSet<_> = documented.iter().map(|metric| &metric.name).collect();
    assert_eq!(names.len(), documented.len(), "each is documented once");
    for metric in documented.iter().filter(|metric| metric.otlp != "-") {
        assert_eq!(metric.name, metric.prometheus_name(), "{}", metric.otlp);
        assert!(!metric.of.is_empty(), "{} is somebody's", metric.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_serves_what_is_documented_and_nothing_else() {
    let mesh = Mesh::start().await;
    traffic(&mesh.clients()).await;
    let documented = documented();
    wait::until("metrics are as docs/metrics.md says", || async {
        let scraped = scrape(&mesh).await;
        let wrong = scraped.iter().flat_map(|(process, scraped)| differences(process, scraped, &documented));
        let wrong: Vec<_> = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("\n{}", wrong.join("\n"))) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_was_done() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    traffic(&clients).await;
    let views = clients.gateway.clone().list_views(ListViewsRequest {}).await.unwrap().into_inner().views;
    let kept = views.iter().filter(|view| view.kind() == ViewKind::Materialized);
    let kept: BTreeSet<_> = kept.map(|view| view.name.clone()).collect();
    assert!(!kept.is_empty());
    wait::until("metrics tell what was done", || async {
        let scraped = scrape(&mesh).await;
        let value = |process: &str, sample: &str| scraped[process].value(sample);
        let is = |process: &str, sample: &str, expected: f64| match value(process, sample) {
            Some(value) if value == expected => Ok(()),
            value => Err(format!("{process}: {sample} is {value:?}, not {expected}")),
        };
        // One command each.
        for service in ["customers", "catalog"] {
            is(service, "tributary_outbox_group_commands_sum", 1.0)?;
            is(service, "tributary_outbox_commit_duration_seconds_count", 1.0)?;
        }
        for service in SERVICES {
            is(service, "tributary_outbox_queue", 0.0)?;
            let database = mesh.process(service).data_dir().join("store.db");
            let size = value(service, "tributary_store_size_bytes");
            let least = database.metadata().map_or(1, |file| file.len()) as f64;
            if size < Some(least) {
                return Err(format!("{service}: a store of {size:?} bytes, its file has {least}"));
            }
            let source = |what: &str| format!("tributary_source_{what}{{source=\"{service}\"}}");
            is("query-gateway", &source("lag"), 0.0)?;
            let state = format!("tributary_source_state{{source=\"{service}\",state=\"LIVE\"}}");
            is("query-gateway", &state, 1.0)?;
        }
        is("query-gateway", "tributary_apply_queue_changes", 0.0)?;
        is("query-gateway", "tributary_apply_queue_size_bytes", 0.0)?;
        for state in [ViewState::Pending, ViewState::Building, ViewState::Ready, ViewState::Failed] {
            let count =
                views.iter().filter(|view| view.kind() != ViewKind::TypedQuery && view.state() == state);
            let sample = format!("tributary_views{{state=\"{}\"}}", state.as_str_name());
            is("query-gateway", &sample, count.count() as f64)?;
        }
        let maintained =
            scraped["query-gateway"].samples("tributary_view_maintenance_duration_seconds_count");
        let maintained: BTreeSet<_> =
            maintained.into_keys().map(|sample| sample.split('"').nth(1).unwrap().to_owned()).collect();
        if maintained == kept { Ok(()) } else { Err(format!("{maintained:?}, not {kept:?}")) }
    })
    .await;
}
