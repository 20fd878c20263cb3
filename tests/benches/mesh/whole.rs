//! The whole mesh: what it needs at rest, how soon it is there, and how many orders it brings to their end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesh_tests::{
    clients::{Clients, place_order},
    mesh::Mesh,
    supervised::{CHILDREN, Supervised},
};
use serde_json::json;
use shop_proto::{inventory::v1::CreateStockItemRequest, orders::v1::PlaceOrderRequest};
use tokio::{sync::Semaphore, task::JoinSet};

use super::median;

/// Orders that one measurement places.
const ORDERS: usize = 2_000;
/// Callers at the same time.
const CALLERS: usize = 64;
/// How often the mesh is started.
const STARTS: usize = 5;

/// Memory of the seven processes, and the time from `tributary up` until it says that it is ready.
pub(crate) async fn at_rest() {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let mesh = Supervised::start().await;
        starts.push(start.elapsed().as_secs_f64());
        drop(mesh);
    }
    let mesh = Supervised::start().await;
    mesh.clients().wait_caught_up().await;
    let resident = CHILDREN.map(|(name, _)| (name, mesh.resident_bytes(name) >> 20));
    let all: u64 = resident.iter().map(|(_, mib)| mib).sum();
    println!(
        "{}",
        json!({"bench": "mesh", "up_to_ready_s": (median(starts) * 100.0).round() / 100.0, "resident_mib": all,
            "of_each": resident.iter().map(|(name, mib)| json!({*name: mib})).collect::<Vec<_>>()})
    );
}

/// From the first call until the gateway shows every order confirmed and with its shipment.
pub(crate) async fn orders() {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    clients.create_customer("ada", "EUROPE").await.unwrap();
    for product in 0..100 {
        let sku = format!("p-{product}");
        clients.create_product(&sku, "TOOLS", 100).await.unwrap();
        let request = CreateStockItemRequest { sku, on_hand: 1_000_000, ..Default::default() };
        clients.inventory.clone().create_stock_item(request).await.unwrap();
    }
    for (token, payment) in [("", "invoice"), ("tok_ok", "card")] {
        let start = Instant::now();
        let placed = place(&clients, token, payment).await;
        clients.wait_at_rest().await;
        let whole = start.elapsed();
        let per_second = |time: Duration| (ORDERS as f64 / time.as_secs_f64()).round();
        println!(
            "{}",
            json!({"bench": "mesh", "payment": payment, "orders": ORDERS, "callers": CALLERS,
                "placed_per_second": per_second(placed), "end_to_end_per_second": per_second(whole)})
        );
    }
}

async fn place(clients: &Clients, token: &str, payment: &str) -> Duration {
    let (start, permits, mut calls) = (Instant::now(), Arc::new(Semaphore::new(CALLERS)), JoinSet::new());
    for number in 0..ORDERS {
        let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
        let id = format!("{payment}-{number}");
        let request = PlaceOrderRequest {
            payment_token: token.to_owned(),
            ..place_order(&id, &id, "ada", &[(&format!("p-{}", number % 100), 1)])
        };
        let mut orders = clients.orders.clone();
        calls.spawn(async move {
            orders.place_order(request).await.unwrap();
            drop(permit);
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    start.elapsed()
}
