//! Callers that write as fast as they are answered, and go on through every outage: an unknown outcome is
//! asked for again under the same request id until it is known.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use shop_proto::{
    catalog::v1::{Product, UpdateProductRequest},
    money::v1::Money,
    orders::v1::{CancelOrderRequest, PlaceOrderRequest},
};
use tokio::{task::JoinSet, time::Instant};
use tonic::{Code, Response, Status};
use tributary_chassis::fault::causes;

use crate::{
    clients::{Clients, place_order},
    ledger::{Ledger, OrderEntry},
};

/// Regions that callers come from.
pub const REGIONS: [&str; 3] = ["AFRICA", "ASIA", "EUROPE"];
/// How long a caller asks again before it takes the mesh for dead.
const OUTAGE: Duration = Duration::from_secs(60);

/// Callers at work.
#[derive(Debug)]
pub struct Load {
    callers: JoinSet<Ledger>,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Starts `callers` callers; each draws from `seed` and its own number, and writes ids of its own.
    pub fn start(clients: &Clients, callers: u64, seed: u64) -> Self {
        Self::with(clients, callers, seed, "")
    }

    /// The same for callers who pay.
    pub fn paying(clients: &Clients, callers: u64, seed: u64) -> Self {
        Self::with(clients, callers, seed, "tok_ok")
    }

    fn with(clients: &Clients, callers: u64, seed: u64, payment_token: &'static str) -> Self {
        let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut set = JoinSet::new();
        for number in 0..callers {
            let caller = Caller {
                clients: clients.clone(),
                payment_token,
                name: format!("{seed:x}-{number}"),
                random: StdRng::seed_from_u64(seed ^ (number << 32)),
                requests: 0,
                ledger: Ledger::default(),
                open_orders: Vec::new(),
                acknowledged: Arc::clone(&acknowledged),
            };
            set.spawn(caller.run(Arc::clone(&stop)));
        }
        Self { callers: set, acknowledged, stop }
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `more` further writes are acknowledged.
    pub async fn wait_for(&self, more: u64) {
        let goal = self.acknowledged() + more;
        crate::wait::until(&format!("{goal} writes are acknowledged"), || async {
            let now = self.acknowledged();
            if now >= goal { Ok(()) } else { Err(format!("{now} are")) }
        })
        .await;
    }

    /// Lets every caller finish what it has begun, and gives what they were told.
    pub async fn stop(mut self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        let mut ledger = Ledger::default();
        while let Some(caller) = self.callers.join_next().await {
            ledger.absorb(caller.expect("a caller does not panic"));
        }
        ledger
    }
}

struct Caller {
    clients: Clients,
    /// None is empty: then an order is not paid for.
    payment_token: &'static str,
    name: String,
    random: StdRng,
    requests: u64,
    ledger: Ledger,
    /// Placed and not cancelled, the latest last.
    open_orders: Vec<String>,
    acknowledged: Arc<AtomicU64>,
}

impl Caller {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Ledger {
        self.create_customer().await;
        self.create_product().await;
        while !stop.load(Ordering::Relaxed) {
            match self.random.random_range(0..100) {
                0..5 => self.create_customer().await,
                5..10 => self.create_product().await,
                10..20 => self.change_price().await,
                20..35 => self.cancel_order().await,
                _ => self.place_order().await,
            }
        }
        self.ledger
    }

    async fn create_customer(&mut self) {
        let id = format!("c-{}-{}", self.name, self.ledger.customers.len());
        let region = REGIONS[self.random.random_range(0..REGIONS.len())];
        let ask = |clients: Clients, id: String| async move { clients.create_customer(&id, region).await };
        self.settle(format!("create-{id}"), |clients| ask(clients, id.clone())).await;
        self.ledger.customers.insert(id, region.to_owned());
    }

    async fn create_product(&mut self) {
        let id = format!("p-{}-{}", self.name, self.ledger.products.len());
        let cents = self.random.random_range(1..10_000);
        let ask =
            |clients: Clients, id: String| async move { clients.create_product(&id, "TOOLS", cents).await };
        self.settle(format!("create-{id}"), |clients| ask(clients, id.clone())).await;
        self.ledger.products.insert(id, cents);
    }

    async fn change_price(&mut self) {
        let Some(sku) = self.pick(|ledger| ledger.products.keys()) else { return };
        // Another price: one that is what it was is acknowledged, and makes no change.
        let cents = 1 + (self.ledger.products[&sku] + self.random.random_range(0..9_998)) % 9_999;
        let request_id = self.next_request_id();
        let request = UpdateProductRequest {
            request_id: request_id.clone(),
            product: Some(Product {
                sku: sku.clone(),
                price: Some(Money { currency_code: "EUR".to_owned(), minor_units: cents }),
                ..Product::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["price".to_owned()] }),
        };
        let ask =
            |mut clients: Clients, request| async move { clients.catalog.update_product(request).await };
        self.settle(request_id, |clients| ask(clients, request.clone())).await;
        self.ledger.products.insert(sku, cents);
    }

    async fn place_order(&mut self) {
        let Some(customer) = self.pick(|ledger| ledger.customers.keys()) else { return };
        let Some(sku) = self.pick(|ledger| ledger.products.keys()) else { return };
        let (id, request_id) = (format!("o-{}-{}", self.name, self.requests), self.next_request_id());
        let quantity = self.random.random_range(1..10);
        let request = PlaceOrderRequest {
            payment_token: self.payment_token.to_owned(),
            ..place_order(&request_id, &id, &customer, &[(&sku, quantity), (&sku, 1)])
        };
        let ask = |mut clients: Clients, request| async move { clients.orders.place_order(request).await };
        let reply = self.settle(request_id, |clients| ask(clients, request.clone())).await;
        let total = reply.total.expect("an order has a total").minor_units;
        assert_eq!(
            total,
            (quantity + 1) * self.ledger.products[&sku],
            "the total of {id} follows from the price"
        );
        self.open_orders.push(id.clone());
        self.ledger.orders.insert(id, OrderEntry { customer, total, cancelled: false });
    }

    async fn cancel_order(&mut self) {
        let Some(id) = self.open_orders.pop() else { return };
        let request_id = self.next_request_id();
        let request = CancelOrderRequest {
            request_id: request_id.clone(),
            order_id: id.clone(),
            reason: "changed my mind".to_owned(),
            ..CancelOrderRequest::default()
        };
        let ask = |mut clients: Clients, request| async move { clients.orders.cancel_order(request).await };
        self.settle(request_id, |clients| ask(clients, request.clone())).await;
        if let Some(order) = self.ledger.orders.get_mut(&id) {
            order.cancelled = true;
        }
    }

    /// Any of the ids that are known.
    fn pick<'a, I>(&'a mut self, ids: impl Fn(&'a Ledger) -> I) -> Option<String>
    where
        I: ExactSizeIterator<Item = &'a String>,
    {
        let mut ids = ids(&self.ledger);
        let count = ids.len();
        if count == 0 { None } else { ids.nth(self.random.random_range(0..count)).cloned() }
    }

    fn next_request_id(&mut self) -> String {
        self.requests += 1;
        format!("r-{}-{}", self.name, self.requests)
    }

    /// Asks under one request id until there is a reply.
    async fn settle<T, F>(&mut self, request_id: String, ask: impl Fn(Clients) -> F) -> T
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let end = Instant::now() + OUTAGE;
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.ledger.most_attempts = self.ledger.most_attempts.max(attempts);
            match bounded(ask(self.clients.clone())).await {
                Ok(reply) => {
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                    self.ledger.acknowledged.push(request_id);
                    return reply.into_inner();
                }
                Err(status) if worth_asking_again(&status) && Instant::now() < end => {
                    self.ledger.failed.push(status);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(status) => panic!("{request_id}: {status}"),
            }
        }
    }
}

/// A call to a process that was killed may never be answered.
async fn bounded<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in 10 s")))
}

fn worth_asking_again(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Cancelled
    )
}

/// A call that was refused before it had any effect.
pub fn is_safe_to_retry(status: &Status) -> bool {
    // What this side never sent, since the connection was being closed, goes by another name.
    let unsent = status.code() == Code::Cancelled && causes(status).ends_with("connection closed");
    matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) || unsent
}
