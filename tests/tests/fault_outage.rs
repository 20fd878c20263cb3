//! A service that is away: calls that need it fail at once and say why, no others fail, and what had to wait ends well
//! by itself when it is back.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::time::Duration;

use futures::future::join_all;
use mesh_tests::{
    clients::{Clients, place_order},
    mesh::{Mesh, SERVICES},
    wait,
};
use shop_proto::{
    inventory::v1::{CreateStockItemRequest, GetStockItemRequest, ReceiveStockRequest},
    orders::v1::{GetOrderRequest, Order, OrderState, PlaceOrderRequest, UpdateOrderRequest},
    payments::v1::{ListPaymentsRequest, PaymentState},
    shipping::v1::{DispatchShipmentRequest, GetShipmentRequest},
};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// "At once": what an order takes at most when the service that it needs is away; callers have ten seconds.
const AT_ONCE: Duration = Duration::from_secs(3);

fn by_card(id: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        payment_token: "tok_ok".to_owned(),
        ..place_order(&format!("place-{id}"), id, "ada", &[("teapot", 1)])
    }
}

async fn mesh() -> Mesh {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("teapot", "KITCHEN", 2500).await.unwrap();
    let stock = CreateStockItemRequest { sku: "teapot".to_owned(), on_hand: 1_000, ..Default::default() };
    clients.inventory.clone().create_stock_item(stock).await.unwrap();
    clients.orders.clone().place_order(by_card("before")).await.unwrap();
    wait_for(&clients, "before", OrderState::Confirmed).await;
    mesh
}

async fn wait_for(clients: &Clients, id: &str, state: OrderState) {
    wait::until(&format!("{id} is {}", state.as_str_name()), || async {
        let request = GetOrderRequest { order_id: id.to_owned() };
        let order = clients.orders.clone().get_order(request).await.map_err(|status| status.to_string())?;
        let found = order.into_inner().state();
        if found == state { Ok(()) } else { Err(found.as_str_name().to_owned()) }
    })
    .await;
}

/// Every service's own business, which needs nobody else; gives the names of those that do not do theirs.
async fn failing(clients: &Clients) -> Vec<&'static str> {
    let note = || UpdateOrderRequest {
        order: Some(Order {
            order_id: "before".to_owned(),
            note: "ring twice".to_owned(),
            ..Order::default()
        }),
        ..UpdateOrderRequest::default()
    };
    let receive = ReceiveStockRequest { sku: "teapot".to_owned(), quantity: 1, ..Default::default() };
    let shipment = GetShipmentRequest { shipment_id: "before".to_owned() };
    let results: [(&'static str, Result<(), Status>); SERVICES.len() + 1] = [
        ("customers", clients.create_customer("bob", "ASIA").await.map(drop)),
        ("catalog", clients.create_product("saw", "TOOLS", 300).await.map(drop)),
        ("inventory", clients.inventory.clone().receive_stock(receive).await.map(drop)),
        ("payments", clients.payments.clone().list_payments(ListPaymentsRequest::default()).await.map(drop)),
        ("orders", clients.orders.clone().update_order(note()).await.map(drop)),
        ("shipping", clients.shipping.clone().get_shipment(shipment).await.map(drop)),
        ("query-gateway", clients.query("SELECT COUNT(*) AS n FROM orders").await.map(drop)),
    ];
    let failed = results.into_iter().filter_map(|(name, result)| Some((name, result.err()?)));
    failed
        .map(|(name, status)| {
            assert_eq!(status.code(), Code::Unavailable, "{name}: {status}");
            name
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_is_missed_by_those_alone_who_need_them() {
    let mut mesh = mesh().await;
    let clients = mesh.clients();
    wait::until("there is a shipment", || async {
        let request = GetShipmentRequest { shipment_id: "before".to_owned() };
        clients.shipping.clone().get_shipment(request).await.map_err(|status| status.to_string())
    })
    .await;
    for name in SERVICES.into_iter().chain(["query-gateway"]) {
        mesh.process_mut(name).kill();
        assert_eq!(failing(&clients).await, [name], "all others go on");
        let id = format!("without-{name}");
        let started = Instant::now();
        let placed = clients.orders.clone().place_order(by_card(&id)).await;
        assert!(started.elapsed() < AT_ONCE, "{name}: {:?}", started.elapsed());
        match name {
            "customers" | "catalog" => {
                let status = placed.unwrap_err();
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                let details = status.get_error_details();
                let info = details.error_info().unwrap();
                assert_eq!((info.reason.as_str(), info.metadata["service"].as_str()), ("UNAVAILABLE", name));
            }
            "orders" => assert_eq!(placed.unwrap_err().code(), Code::Unavailable),
            _ => assert_eq!(placed.unwrap().into_inner().state(), OrderState::Placed),
        }
        mesh.process_mut(name).restart().await;
        // The breaker lets the next call through when it is worth it.
        wait::until(&format!("{id} is placed"), || async {
            clients.orders.clone().place_order(by_card(&id)).await.map_err(|status| status.to_string())
        })
        .await;
        wait_for(&clients, &id, OrderState::Confirmed).await;
        wait::until(&format!("{id} is dispatched"), || async {
            let request = DispatchShipmentRequest {
                request_id: format!("dispatch-{id}"),
                shipment_id: id.clone(),
                carrier: "Hermes".to_owned(),
                ..DispatchShipmentRequest::default()
            };
            clients.shipping.clone().dispatch_shipment(request).await.map_err(|status| status.to_string())
        })
        .await;
        wait_for(&clients, &id, OrderState::Dispatched).await;
    }
}

/// With all of them away at once, orders wait, and all end well when they are back.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_orders_end_well_without_help() {
    let mut mesh = mesh().await;
    let clients = mesh.clients();
    let away = ["inventory", "payments", "shipping"];
    for name in away {
        mesh.process_mut(name).kill();
    }
    let ids: Vec<_> = (0..20).map(|n| format!("o-{n}")).collect();
    let placed = ids.iter().map(|id| async { clients.orders.clone().place_order(by_card(id)).await });
    for reply in join_all(placed).await {
        assert_eq!(reply.unwrap().into_inner().state(), OrderState::Placed);
    }
    // Who places orders may go away, too.
    mesh.orders.kill();
    mesh.orders.restart().await;
    for name in away {
        mesh.process_mut(name).restart().await;
    }
    for id in &ids {
        wait_for(&clients, id, OrderState::Confirmed).await;
    }
    clients.wait_at_rest().await;
    let item = GetStockItemRequest { sku: "teapot".to_owned() };
    let item = clients.inventory.clone().get_stock_item(item).await.unwrap().into_inner();
    assert_eq!((item.on_hand, item.reserved), (1_000 - 21, 0));
}

/// One effect and one reply, in every service that an order touches.
#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_callers_with_one_request_id_place_one_order() {
    let mesh = mesh().await;
    let clients = mesh.clients();
    let calls = (0..32).map(|_| {
        // Each a caller of its own, with its own connection.
        let clients = mesh.clients();
        async move { clients.orders.clone().place_order(by_card("once")).await }
    });
    let replies: Vec<_> =
        join_all(calls).await.into_iter().map(|reply| reply.unwrap().into_inner()).collect();
    assert!(replies.iter().all(|reply| *reply == replies[0]), "one reply");
    wait_for(&clients, "once", OrderState::Confirmed).await;
    let payments = clients.payments.clone().list_payments(ListPaymentsRequest::default()).await;
    let payments = payments.unwrap().into_inner().payments;
    let of_it: Vec<_> = payments.iter().filter(|payment| payment.order_id == "once").collect();
    assert_eq!(of_it.len(), 1);
    assert_eq!(of_it[0].state(), PaymentState::Captured);
    let item = GetStockItemRequest { sku: "teapot".to_owned() };
    let item = clients.inventory.clone().get_stock_item(item).await.unwrap().into_inner();
    assert_eq!((item.on_hand, item.reserved), (1_000 - 2, 0));
}
