//! Orders at a given rate, some of which are traced, and whether each of their traces is told to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use shop_proto::inventory::v1::CreateStockItemRequest;
use tokio::{sync::Semaphore, task::JoinSet, time::MissedTickBehavior};

use crate::{
    clients::{Clients, place_order},
    collector::{Collector, Received, Span},
    mesh::{Mesh, MeshOptions},
};

/// Products that are ordered in turn.
const PRODUCTS: u64 = 100;
/// Fewer than a server admits, so that a moment in which it is slow, such as that of a sync, is made up for.
const CALLERS: usize = 128;
const PLACED: &str = "shop.orders.v1.Orders/PlaceOrder";
/// What tells that the order is seen, and what others did for it.
const VISIBLE: [&str; 3] = ["visible orders", "visible shipments", "visible stock_items"];

/// What became of the traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Traces of orders.
    pub sampled: usize,
    /// Those that end with what was done for the order being seen, and of which no span is missing that another one is below.
    pub whole: usize,
    /// Spans of them.
    pub spans: usize,
}

/// A mesh that keeps this share of the traces that begin in it, 0 to 1, and tells `collector`.
pub async fn mesh(collector: &Collector, share: f64) -> Mesh {
    let mesh = MeshOptions::default()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
        .variable("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .variable("OTEL_TRACES_SAMPLER_ARG", &share.to_string())
        .start()
        .await;
    let clients = mesh.clients();
    clients.create_customer("ada", "EUROPE").await.expect("a customer");
    for product in 0..PRODUCTS {
        let sku = format!("p-{product}");
        clients.create_product(&sku, "TOOLS", 100).await.expect("a product");
        let request = CreateStockItemRequest { sku, on_hand: 1_000_000, ..Default::default() };
        clients.inventory.clone().create_stock_item(request).await.expect("goods");
    }
    // Until it is filled, nothing can be seen in a view.
    clients.wait_caught_up().await;
    mesh
}

/// Places `orders` orders, to be paid by invoice: one each time that one is due at `per_second`, whether those before it are
/// answered or not, unless 128 are not. Gives how long that took, to the last answer.
pub async fn place(clients: &Clients, orders: u64, per_second: u32) -> Duration {
    let start = tokio::time::Instant::now();
    let mut due = tokio::time::interval(Duration::from_secs(1) / per_second);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (permits, mut calls) = (Arc::new(Semaphore::new(CALLERS)), JoinSet::new());
    for number in 0..orders {
        due.tick().await;
        let permit = Arc::clone(&permits).acquire_owned().await.expect("it is never closed");
        let (id, sku) = (format!("o-{number}"), format!("p-{}", number % PRODUCTS));
        let mut clients = clients.orders.clone();
        calls.spawn(async move {
            let _permit = permit;
            clients
                .place_order(place_order(&id, &id, "ada", &[(&sku, 1)]))
                .await
                .expect("an order is placed");
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("a call does not panic");
    }
    start.elapsed()
}

/// Waits until each trace of an order is whole; panics with what one is lacking.
pub async fn wait_whole(collector: &Collector) -> Traces {
    collector
        .wait_for("every trace of an order is whole", |received| {
            let (traces, lacking) = look(received);
            if traces.sampled > 0 && lacking.is_empty() {
                return Ok(traces);
            }
            let some: Vec<_> = lacking.iter().take(3).collect();
            Err(format!("{traces:?}, and {} are not whole: {some:#?}", lacking.len()))
        })
        .await
}

/// The traces of orders, and what is lacking in those that are not whole.
fn look(received: &Received) -> (Traces, BTreeMap<String, String>) {
    let (mut traces, mut lacking) = (Traces { sampled: 0, whole: 0, spans: 0 }, BTreeMap::new());
    for (id, spans) in received.by_trace() {
        if !spans.iter().any(|span| span.name == PLACED && span.service == "orders") {
            continue;
        }
        traces.sampled += 1;
        traces.spans += spans.len();
        match whole(&spans) {
            Ok(()) => traces.whole += 1,
            Err(why) => drop(lacking.insert(id, why)),
        }
    }
    (traces, lacking)
}

fn whole(spans: &[Span]) -> Result<(), String> {
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    let orphan = spans.iter().find(|span| span.parent_id.as_ref().is_some_and(|id| !ids.contains(id)));
    if let Some(orphan) = orphan {
        return Err(format!("what {orphan:?} is below did not come"));
    }
    let told = |name: &str| spans.iter().any(|span| span.service == "query-gateway" && span.name == name);
    match VISIBLE.into_iter().find(|name| !told(name)) {
        None => Ok(()),
        Some(name) => {
            let told: Vec<_> = spans.iter().map(|span| format!("{} {}", span.service, span.name)).collect();
            Err(format!("no `{name}`: {told:?}"))
        }
    }
}
