//! Durable commands per second of orders on PostgreSQL, by one instance and by two that share the database, in turns with
//! the same on SQLite.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use mesh_tests::{clients::Clients, mesh::own_loopback_address, process::Process};
use serde_json::json;
use shop_proto::orders::v1::{
    Order, PlaceOrderRequest, UpdateOrderRequest, orders_client::OrdersClient, place_order_request::Line,
};
use test_prerequisites::postgres;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{ROUNDS, SPAN, median};

const CLIENTS: [usize; 3] = [1, 32, 256];

pub(super) async fn measure(root: &Path) {
    let Some(database) = postgres::database("the benchmark of instances").await else { return };
    let host = own_loopback_address();
    let customers = Process::start("customers", "buyers", root, &host, vec![]).await;
    let catalog = Process::start("catalog", "goods", root, &host, vec![]).await;
    let (buyers, goods) = (customers.url(), catalog.url());
    let clients = Clients::connect(|name| if name == "catalog" { goods.clone() } else { buyers.clone() });
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("teapot", "KITCHEN", 2500).await.unwrap();
    // Its partners are nowhere, so that what is placed stays so and nothing is measured but the commands.
    let flags = ["--customers", &buyers, "--catalog", &goods].map(str::to_owned).to_vec();
    let store = vec!["--store".to_owned(), database];
    let sqlite = Process::start("orders", "on-sqlite", root, &host, flags.clone()).await;
    let one = Process::start("orders", "on-postgres", root, &host, [flags, store].concat()).await;
    let two = one.another().await;
    for process in [&sqlite, &one] {
        place(&OrdersClient::new(process.channel())).await;
    }
    for callers in CLIENTS {
        let mut figures = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (figures, processes) in figures.iter_mut().zip([&[&sqlite][..], &[&one], &[&one, &two]]) {
                figures.push(per_second(processes, callers).await);
            }
        }
        let [sqlite, one, two] = figures.map(median);
        let ratio = |figure: f64, of: f64| (figure / of * 100.0).round() / 100.0;
        println!(
            "{}",
            json!({"bench": "instances", "clients": callers, "per_second_sqlite": sqlite.round(),
                "per_second_one_instance": one.round(), "per_second_two_instances": two.round(),
                "ratio_to_sqlite": ratio(one, sqlite), "ratio_two_to_one": ratio(two, one)})
        );
    }
}

/// An order for each client.
async fn place(orders: &OrdersClient<Channel>) {
    for caller in 0..CLIENTS[2] {
        let request = PlaceOrderRequest {
            order_id: format!("o-{caller}"),
            customer_id: "ada".to_owned(),
            lines: vec![Line { sku: "teapot".to_owned(), quantity: 1 }],
            ..PlaceOrderRequest::default()
        };
        orders.clone().place_order(request).await.unwrap();
    }
}

/// Clients write notes, each on an order of its own, spread over the instances.
async fn per_second(processes: &[&Process], callers: usize) -> f64 {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // As a client's: several calls share a connection.
    let channels: Vec<_> = processes.iter().flat_map(|process| (0..4).map(|_| process.channel())).collect();
    let mut set = JoinSet::new();
    let start = Instant::now();
    for caller in 0..callers {
        let mut orders = OrdersClient::new(channels[caller % channels.len()].clone());
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        set.spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let (order_id, note) = (format!("o-{caller}"), format!("note {number}"));
                let order = Some(Order { order_id, note, ..Order::default() });
                let request = UpdateOrderRequest { order, ..UpdateOrderRequest::default() };
                orders.update_order(request).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
        });
    }
    tokio::time::sleep(SPAN).await;
    let figure = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    set.join_all().await;
    figure
}
