//! `tributary load shop`, against a shop in memory.

mod model;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpListener;

use self::model::{Flaws, Shop};
use crate::{
    any_server,
    fake::own_address,
    program::{Run, tributary},
};

const SERVERS: [(u16, &[&str]); 7] = [
    (50050, &["tributary.query.v1.QueryGateway", "shop.insights.v1.Insights"]),
    (50051, &["shop.customers.v1.Customers"]),
    (50052, &["shop.catalog.v1.Catalog"]),
    (50053, &["shop.inventory.v1.Inventory"]),
    (50054, &["shop.orders.v1.Orders"]),
    (50055, &["shop.payments.v1.Payments"]),
    (50056, &["shop.shipping.v1.Shipping"]),
];

async fn open(flaws: Flaws) -> (Arc<Shop>, Ipv4Addr) {
    let (shop, host) = (Arc::new(Shop::new(flaws)), own_address());
    for (port, services) in SERVERS {
        let listener = TcpListener::bind(SocketAddr::from((host, port))).await.unwrap();
        let shop = Arc::clone(&shop);
        let descriptors = &[shop_proto::FILE_DESCRIPTOR_SET, tributary_proto::FILE_DESCRIPTOR_SET];
        let answer = Arc::new(move |path: &str, metadata: &_, request| shop.answer(path, metadata, request));
        tokio::spawn(async move { any_server::serve(listener, descriptors, services, answer).await });
    }
    (shop, host)
}

async fn load(host: Ipv4Addr, more: &[&str]) -> Run {
    let host = host.to_string();
    tributary(&[&["--host", &host, "load", "shop", "--seed", "7", "--rate", "max"], more].concat()).await
}

#[tokio::test]
async fn a_shop_that_is_shaky_comes_to_what_was_replied_and_a_repeated_run_adds_nothing() {
    let (shop, host) = open(Flaws { shaky: true, ..Flaws::default() }).await;
    let run = load(host, &["--orders", "400"]).await;
    assert_eq!((run.code, run.stdout.matches("  agrees, ").count()), (Some(0), 6), "{run:?}");
    assert!(run.stderr.contains("400 orders of seed 7") && run.stderr.contains("--run-id 1"), "{run:?}");
    assert_eq!(shop.tokens().len(), 8, "every way to pay: {:?}", shop.tokens());
    let effects = shop.effects();
    let again = load(host, &["--orders", "400"]).await;
    assert_eq!((again.code, shop.effects()), (Some(0), effects), "{again:?}");
    assert_eq!(again.stdout, run.stdout);
    let beside = load(host, &["--orders", "1", "--run-id", "b"]).await;
    assert!(beside.code == Some(0) && shop.effects() > effects, "{beside:?}");
}

#[tokio::test]
async fn each_figure_that_is_one_off_is_found() {
    for (lie, title) in [
        ("orders", "orders by state"),
        ("product_sales", "units and revenue by product"),
        ("stock_items", "stock by product"),
        ("payments", "payments by state and currency"),
        ("shipments", "shipments by state"),
        ("revenue", "revenue by region and currency"),
    ] {
        let (_, host) = open(Flaws { lie: Some(lie), ..Flaws::default() }).await;
        let run = load(host, &["--orders", "60"]).await;
        assert_eq!((run.code, run.stdout.matches("  agrees, ").count()), (Some(1), 5), "{lie}: {run:?}");
        let differs = run.stdout.lines().find(|line| line.contains("  DIFFERS in ")).unwrap();
        assert!(differs.starts_with(title), "{run:?}");
        assert!(run.stdout.contains(": the gateway tells "), "{run:?}");
    }
}

#[tokio::test]
async fn orders_that_stay_where_they_are_are_named() {
    let (_, host) = open(Flaws { stuck: true, ..Flaws::default() }).await;
    let run = load(host, &["--orders", "20", "--patience", "1s"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    for part in ["20 orders are not settled", "shop-7-1-order-000000001 is PLACED", "and 10 more", "--seed 7"]
    {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
}

#[tokio::test]
async fn a_mesh_that_is_not_there_is_told_at_once() {
    let run = load(own_address(), &[]).await;
    assert!(run.code == Some(1) && run.stderr.contains("is the mesh up?"), "{run:?}");
}
