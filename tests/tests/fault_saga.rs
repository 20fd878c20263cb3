//! An order always ends well: real services, and between them a proxy that makes calls fail before or after their
//! effect, never be answered, arrive twice, or be in the middle when a process is killed.
//!
//! The first test is exhaustive: every step of every way that an order can go, with every fault. The second draws
//! COUNT orders from SEED, with several faults each, while any service is killed. `make soak-saga COUNT=1000` is the
//! large form.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream::FuturesUnordered};
use mesh_tests::{
    clients::{Clients, place_order},
    mesh::{Mesh, MeshOptions},
    proxy::{Fault, Faults, Held},
    wait,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use shop_proto::{
    inventory::v1::{CreateStockItemRequest, GetReservationRequest, GetStockItemRequest, ReservationState},
    orders::v1::{CancelCause, CancelOrderRequest, GetOrderRequest, Order, OrderState, PlaceOrderRequest},
    payments::v1::{GetPaymentRequest, PaymentState},
};
use tokio::sync::mpsc::UnboundedReceiver;

/// On the shelf before an order is placed, and ordered.
const STOCK: i64 = 10;
const ORDERED: i64 = 3;

/// The ways that an order can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    /// Everything works.
    Confirmed,
    /// The card is declined.
    Declined,
    /// Cancelled while goods and payment are being arranged.
    CancelledEarly,
    /// Cancelled when it was confirmed.
    CancelledLate,
}

impl Path {
    const ALL: [Path; 4] = [Path::Confirmed, Path::Declined, Path::CancelledEarly, Path::CancelledLate];

    /// The calls that are made on this way and on no shorter one.
    fn steps(self) -> &'static [&'static str] {
        match self {
            Path::Confirmed => &["Reserve", "Authorize", "Commit", "Capture"],
            Path::Declined | Path::CancelledEarly => &["Void", "Release"],
            Path::CancelledLate => &["Void", "Refund", "Release"],
        }
    }

    /// What the order, its payment and its reservation are in the end, and what is left on the shelf.
    fn end(self) -> (OrderState, CancelCause, PaymentState, ReservationState, i64) {
        use {CancelCause as Cause, OrderState as Order, PaymentState as Payment, ReservationState as Held};
        match self {
            Path::Confirmed => {
                (Order::Confirmed, Cause::Unspecified, Payment::Captured, Held::Committed, STOCK - ORDERED)
            }
            Path::Declined => {
                (Order::Cancelled, Cause::PaymentDeclined, Payment::Declined, Held::Released, STOCK)
            }
            Path::CancelledEarly => {
                (Order::Cancelled, Cause::Requested, Payment::Voided, Held::Released, STOCK)
            }
            Path::CancelledLate => {
                (Order::Cancelled, Cause::Requested, Payment::Refunded, Held::Released, STOCK)
            }
        }
    }
}

/// One order, and what is to happen to its calls.
#[derive(Clone, Debug)]
struct Case {
    id: String,
    path: Path,
    token: &'static str,
    faults: BTreeMap<&'static str, Vec<Fault>>,
}

impl Case {
    /// Places the order, and brings it to its end.
    async fn run(self, clients: Clients, faults: Faults) {
        let Self { id, path, token, .. } = &self;
        self.stock(&clients).await;
        for (step, planned) in &self.faults {
            faults.plan(step, id, planned.iter().copied());
        }
        if *path == Path::CancelledEarly {
            // It stays there until it is cancelled.
            faults.plan("Commit", id, std::iter::repeat_n(Fault::FailsBefore, 10_000));
        }
        let request = PlaceOrderRequest {
            payment_token: (*token).to_owned(),
            ..place_order(&format!("place-{id}"), id, "ada", &[(id, ORDERED)])
        };
        settle(async || clients.orders.clone().place_order(request.clone()).await).await;
        match path {
            Path::Confirmed | Path::Declined => {}
            Path::CancelledEarly => {
                wait::until(&format!("{id} has come to its commit"), || async {
                    if faults.calls("Commit", id) > 0 { Ok(()) } else { Err("not yet") }
                })
                .await;
                self.cancel(&clients).await;
            }
            Path::CancelledLate => {
                self.reach(&clients, OrderState::Confirmed).await;
                self.cancel(&clients).await;
            }
        }
        let order = self.reach(&clients, path.end().0).await;
        self.check(&clients, &order).await;
        for (step, planned) in &self.faults {
            for fault in planned {
                let times = planned.iter().filter(|other| *other == fault).count() as u64;
                assert_eq!(faults.fired(step, id, *fault), times, "{id}: {step} {fault:?} has happened");
            }
        }
    }

    async fn stock(&self, clients: &Clients) {
        let request = CreateStockItemRequest {
            request_id: format!("stock-{}", self.id),
            sku: self.id.clone(),
            on_hand: STOCK,
        };
        settle(async || clients.create_product(&self.id, "TOOLS", 700).await).await;
        settle(async || clients.inventory.clone().create_stock_item(request.clone()).await).await;
    }

    async fn cancel(&self, clients: &Clients) {
        let request = CancelOrderRequest {
            request_id: format!("cancel-{}", self.id),
            order_id: self.id.clone(),
            ..CancelOrderRequest::default()
        };
        settle(async || clients.orders.clone().cancel_order(request.clone()).await).await;
    }

    /// The order, once it is in that state.
    async fn reach(&self, clients: &Clients, state: OrderState) -> Order {
        let request = GetOrderRequest { order_id: self.id.clone() };
        wait::until(&format!("{} is {}", self.id, state.as_str_name()), || async {
            let order = clients.orders.clone().get_order(request.clone()).await;
            let order = order.map_err(|status| status.to_string())?.into_inner();
            if order.state() == state { Ok(order) } else { Err(order.state().as_str_name().to_owned()) }
        })
        .await
    }

    /// Money and goods are where the order says.
    async fn check(&self, clients: &Clients, order: &Order) {
        let id = &self.id;
        let payment = GetPaymentRequest { payment_id: id.clone() };
        let payment = settle(async || clients.payments.clone().get_payment(payment.clone()).await).await;
        let reservation = GetReservationRequest { reservation_id: id.clone() };
        let reservation =
            settle(async || clients.inventory.clone().get_reservation(reservation.clone()).await).await;
        let item = GetStockItemRequest { sku: id.clone() };
        let item = settle(async || clients.inventory.clone().get_stock_item(item.clone()).await).await;
        let found = (order.state(), order.cancel_cause(), payment.state(), reservation.state(), item.on_hand);
        assert_eq!((found, item.reserved), (self.path.end(), 0), "{self:?}");
    }
}

/// Asks until there is an answer: any service may be away.
async fn settle<T>(ask: impl AsyncFn() -> Result<tonic::Response<T>, tonic::Status>) -> T {
    wait::until("there is an answer", || async {
        match ask().await {
            Ok(reply) => Ok(reply.into_inner()),
            Err(status) if is_outage(&status) => Err(status.to_string()),
            Err(status) => panic!("{status}"),
        }
    })
    .await
}

fn is_outage(status: &tonic::Status) -> bool {
    use tonic::Code::{Cancelled, DeadlineExceeded, Unavailable, Unknown};
    matches!(status.code(), Cancelled | DeadlineExceeded | Unavailable | Unknown)
}

/// Runs the cases, `concurrency` at a time. Whenever a call is held, `victim` says which process is killed.
async fn run(
    mesh: &mut Mesh,
    (faults, held): &mut (Faults, UnboundedReceiver<Held>),
    cases: Vec<Case>,
    concurrency: usize,
    mut victim: impl FnMut() -> &'static str,
) -> BTreeMap<&'static str, u64> {
    let clients = mesh.clients();
    let mut cases = cases.into_iter();
    let mut running = FuturesUnordered::new();
    let mut killed = BTreeMap::new();
    loop {
        while running.len() < concurrency
            && let Some(case) = cases.next()
        {
            running.push(case.run(clients.clone(), faults.clone()));
        }
        tokio::select! {
            Some(call) = held.recv() => {
                let name = victim();
                mesh.process_mut(name).kill();
                drop(call);
                mesh.process_mut(name).restart().await;
                *killed.entry(name).or_default() += 1;
            }
            ended = running.next() => if ended.is_none() {
                return killed;
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_every_step_ends_well() {
    let mut faults = Faults::new();
    let mut mesh = MeshOptions::default().faults(&faults.0).start().await;
    mesh.clients().create_customer("ada", "EUROPE").await.unwrap();
    let (mut calls, mut kills) = (Vec::new(), Vec::new());
    for path in Path::ALL {
        for step in path.steps() {
            for fault in Fault::ALL {
                let token = if path == Path::Declined { "tok_declined" } else { "tok_ok" };
                let faults = [(*step, vec![fault])].into();
                let case = Case { id: format!("{path:?}-{step}-{fault:?}"), path, token, faults };
                let is_kill = matches!(fault, Fault::HeldBefore | Fault::HeldAfter);
                if is_kill { &mut kills } else { &mut calls }.push(case);
            }
        }
    }
    let count = calls.len();
    assert_eq!(run(&mut mesh, &mut faults, calls, count, || "orders").await, BTreeMap::new());
    // One after the other, so that each kill meets the call that it is meant for.
    let count = kills.len() as u64;
    let killed = run(&mut mesh, &mut faults, kills, 1, || "orders").await;
    assert_eq!(killed, [("orders", count)].into(), "each call that was held was a kill");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn drawn_faults_end_well() {
    let count = number("COUNT").unwrap_or(100);
    let seed = number("SEED").unwrap_or_else(rand::random);
    eprintln!("COUNT={count} SEED={seed}");
    let mut faults = Faults::new();
    let mut mesh = MeshOptions::default().faults(&faults.0).start().await;
    let cases: Vec<_> = (0..count).map(|n| draw(seed.wrapping_add(n))).collect();
    let planned: usize = cases.iter().flat_map(|case| case.faults.values()).map(Vec::len).sum();
    let mut random = StdRng::seed_from_u64(seed);
    let victims = ["orders", "inventory", "payments", "shipping"];
    mesh.clients().create_customer("ada", "EUROPE").await.unwrap();
    let killed = run(&mut mesh, &mut faults, cases, 16, || victims.choose(&mut random).unwrap()).await;
    eprintln!("{count} orders, {planned} faults, killed {killed:?}: each ended well");
}

/// An order with up to four faults anywhere on its way; one in ten of them is a kill.
fn draw(seed: u64) -> Case {
    let mut random = StdRng::seed_from_u64(seed);
    let path = *Path::ALL.choose(&mut random).unwrap();
    let tokens = if path == Path::Declined {
        ["tok_declined", "tok_insufficient_funds", "tok_expired_card"]
    } else {
        ["tok_ok", "tok_timeout_then_ok", "tok_unknown_outcome"]
    };
    let token = *tokens.choose(&mut random).unwrap();
    // What is on the way there, and surely called.
    let before: &[&str] = match path {
        Path::Confirmed => &[],
        Path::Declined => &["Reserve", "Authorize"],
        Path::CancelledEarly => &["Reserve", "Authorize"],
        Path::CancelledLate => Path::Confirmed.steps(),
    };
    let steps: Vec<_> = before.iter().chain(path.steps()).copied().collect();
    let mut faults: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for _ in 0..random.random_range(1..=4) {
        let (held, others) = (&Fault::ALL[4..], &Fault::ALL[..4]);
        let kind = if random.random_ratio(1, 10) { held } else { others };
        let fault = *kind.choose(&mut random).unwrap();
        let planned = faults.entry(*steps.choose(&mut random).unwrap()).or_default();
        // What arrives twice or is held behind its effect may be the last call of its step.
        if planned.iter().all(|earlier| matches!(earlier, Fault::FailsBefore | Fault::FailsAfter)) {
            planned.push(fault);
        }
    }
    Case { id: format!("drawn-{seed:x}"), path, token, faults }
}
