//! One trace from the command until its effects are seen, as Jaeger shows it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::collections::BTreeSet;

use mesh_tests::{
    clients::{Clients, place_order},
    jaeger::{Jaeger, Span},
    mesh::{Mesh, MeshOptions},
};
use shop_proto::{
    inventory::v1::CreateStockItemRequest,
    orders::v1::{OrderState, PlaceOrderRequest},
};
use tonic::Request;

/// The span of the caller, which nobody tells Jaeger of.
const CALLER: &str = "00f067aa0ba902b7";
const EVERYBODY: [&str; 7] =
    ["catalog", "customers", "inventory", "orders", "payments", "query-gateway", "shipping"];
/// What an order that is confirmed changes, and the views that follow.
const AFFECTED: [&str; 13] = [
    "cancelled_orders",
    "customer_months",
    "customer_overview",
    "daily_sales",
    "fulfilment_times",
    "orders",
    "payment_outcomes",
    "payments",
    "product_sales",
    "repeat_customers",
    "revenue_by_region",
    "shipments",
    "stock_items",
];

async fn traced_mesh(jaeger: &Jaeger) -> Mesh {
    MeshOptions::default()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &jaeger.otlp_endpoint())
        .variable("OTEL_METRICS_EXPORTER", "none")
        .variable("OTEL_LOGS_EXPORTER", "none")
        .variable("OTEL_BSP_SCHEDULE_DELAY", "200")
        .start()
        .await
}

async fn stock(clients: &Clients) {
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("saw", "TOOLS", 100).await.unwrap();
    let request = CreateStockItemRequest { sku: "saw".to_owned(), on_hand: 10, ..Default::default() };
    clients.inventory.clone().create_stock_item(request).await.unwrap();
    // Until it is filled, nothing can be seen in a view.
    clients.wait_caught_up().await;
}

/// Places an order that is paid with `token`, in the trace of this id, and waits until it has ended well.
async fn place(clients: &Clients, order_id: &str, token: &str, trace: &str, expected: OrderState) {
    let order = place_order(order_id, order_id, "ada", &[("saw", 1)]);
    let mut request = Request::new(PlaceOrderRequest { payment_token: token.to_owned(), ..order });
    let parent = format!("00-{trace}-{CALLER}-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    clients.orders.clone().place_order(request).await.unwrap();
    assert_eq!(clients.settled(order_id).await.into_inner().state(), expected);
}

fn services(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.service.as_str()).collect()
}

fn visible(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().filter_map(|span| span.operation.strip_prefix("visible ")).collect()
}

/// Each span is below one that is there, or the caller's; what is not may be on its way.
fn connected(spans: &[Span]) -> Result<(), String> {
    let is_there = |id: &str| id == CALLER || spans.iter().any(|span| span.span_id == id);
    match spans.iter().find(|span| !span.parent_id.as_deref().is_some_and(is_there)) {
        Some(orphan) => Err(format!("an orphan: {orphan:?}")),
        None => Ok(()),
    }
}

/// There is such a span of each, given as service and name.
fn told(spans: &[Span], expected: &[(&str, &str)]) -> Result<(), String> {
    for (service, name) in expected {
        if !spans.iter().any(|span| span.service == *service && span.operation == *name) {
            return Err(format!("{service} has not told `{name}`"));
        }
    }
    Ok(())
}

/// None began before that which it is below.
fn assert_causal(spans: &[Span]) {
    for span in spans {
        let parent = spans.iter().find(|other| Some(&other.span_id) == span.parent_id.as_ref());
        assert!(parent.is_none_or(|parent| span.start >= parent.start), "{span:?} began before {parent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_one_trace_until_it_is_seen_in_every_view() {
    let test = "an_order_is_one_trace_until_it_is_seen_in_every_view";
    let Some(jaeger) = Jaeger::start(test).await else { return };
    let mesh = traced_mesh(&jaeger).await;
    let clients = mesh.clients();
    stock(&clients).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    place(&clients, "o-1", "tok_ok", trace, OrderState::Confirmed).await;
    let complete = |spans: &[Span]| {
        let (services, visible) = (services(spans), visible(spans));
        if (&services, &visible) != (&BTreeSet::from(EVERYBODY), &BTreeSet::from(AFFECTED)) {
            return Err(format!("{services:?} {visible:?}"));
        }
        let steps = ["saga reserve", "saga authorize", "saga commit", "saga capture", "saga confirm"];
        told(spans, &steps.map(|step| ("orders", step)))?;
        told(
            spans,
            &[("payments", "processor authorize"), ("shipping", "apply orders"), ("orders", "commit")],
        )?;
        connected(spans)
    };
    let spans = jaeger.trace_when(trace, complete).await;
    assert_causal(&spans);
    assert!(spans.iter().all(|span| !span.is_error()), "{spans:#?}");
    // A link leads from what is seen to all else that was seen at once.
    let applied =
        spans.iter().filter(|span| span.service == "query-gateway" && span.operation.starts_with("apply "));
    for span in applied {
        let batch = jaeger.trace_when(&span.links[0].trace_id, |spans| match spans {
            [] => Err("not there yet".to_owned()),
            _ => Ok(()),
        });
        assert!(batch.await[0].links.iter().any(|link| link.trace_id == trace), "{span:?}");
        assert!(span.tags["tributary.since_commit_ms"].as_i64().is_some_and(|ms| ms >= 0), "{span:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_is_an_error_in_the_trace_of_its_order() {
    let test = "a_declined_payment_is_an_error_in_the_trace_of_its_order";
    let Some(jaeger) = Jaeger::start(test).await else { return };
    let mesh = traced_mesh(&jaeger).await;
    let clients = mesh.clients();
    stock(&clients).await;
    let trace = "5bf92f3577b34da6a3ce929d0e0e4737";
    place(&clients, "o-2", "tok_declined", trace, OrderState::Cancelled).await;
    let complete = |spans: &[Span]| {
        told(
            spans,
            &[("orders", "saga authorize"), ("orders", "saga finish"), ("payments", "processor authorize")],
        )?;
        told(spans, &["visible payments", "visible cancelled_orders"].map(|name| ("query-gateway", name)))?;
        connected(spans)
    };
    let spans = jaeger.trace_when(trace, complete).await;
    assert_causal(&spans);
    let failed: BTreeSet<_> =
        spans.iter().filter(|span| span.is_error()).map(|span| span.operation.as_str()).collect();
    assert_eq!(failed, BTreeSet::from(["processor authorize", "saga authorize"]));
}
