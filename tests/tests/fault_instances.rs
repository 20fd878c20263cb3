//! Two instances of orders on one database, of which one is killed again and again under load: one gapless history, in
//! which everything acknowledged is once, and every order comes to its end.
//!
//! COUNT kills, drawn from SEED. `make soak-instances COUNT=200` is the large form.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mesh_tests::{checker, mesh::MeshOptions, process::Process, setting::setting, wait};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use shop_proto::orders::v1::{
    Order, PlaceOrderRequest, UpdateOrderRequest, orders_client::OrdersClient, place_order_request::Line,
};
use sqlx::{Connection as _, PgConnection};
use test_prerequisites::postgres;
use tokio::task::JoinSet;
use tonic::{Code, transport::Channel};
use tributary_proto::feed::v1::change_feed_client::ChangeFeedClient;

const CLIENTS: u64 = 64;

/// A client may be asked to come back; then it does, to any instance, under the same request id.
const PAUSE: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_killed_leave_one_history() {
    let (count, seed) = (setting("COUNT", 20_u64), setting("SEED", rand::random::<u64>() >> 16));
    eprintln!("COUNT={count} SEED={seed}");
    let Some(database) = postgres::database("instances_that_are_killed_leave_one_history").await else {
        return;
    };
    let mut mesh = MeshOptions::default().store("orders", &database).start().await;
    let clients = mesh.clients();
    clients.wait_caught_up().await;
    clients.create_customer("ada", "EUROPE").await.unwrap();
    clients.create_product("teapot", "KITCHEN", 2500).await.unwrap();
    let mut twin = mesh.orders.another().await;

    let load = Load::start(&[&mesh.orders, &twin], seed);
    let mut random = StdRng::seed_from_u64(seed);
    for kill in 0..count {
        load.wait_for(random.random_range(50..200)).await;
        let victim = if random.random_bool(0.5) { &mut mesh.orders } else { &mut twin };
        victim.kill();
        // For a while the other one is alone.
        load.wait_for(random.random_range(0..50)).await;
        victim.restart().await;
        eprintln!("{} of {count} kills, {} acknowledged", kill + 1, load.acknowledged());
    }
    load.wait_for(100).await;
    let acknowledged = load.stop().await;

    // Whoever leads by now brings on what the killed ones have left.
    wait::until("every order is at its end", || async {
        let unfinished = "SELECT count(*) FROM orders WHERE state IN ('PLACED', 'CANCELLING')";
        let answer = clients.query(unfinished).await.map_err(|status| status.to_string())?;
        if answer.rows == [["0"]] { Ok(()) } else { Err(format!("{:?}", answer.rows)) }
    })
    .await;
    clients.wait_at_rest().await;
    let history = checker::read(ChangeFeedClient::new(mesh.orders.channel())).await.unwrap();
    let again = checker::read(ChangeFeedClient::new(twin.channel())).await.unwrap();
    assert_eq!(history.changes.len(), again.changes.len(), "SEED={seed}");
    let mut commands: BTreeMap<&str, usize> = BTreeMap::new();
    for change in history.changes.iter().filter(|change| change.last_in_command) {
        *commands.entry(&change.request_id).or_default() += 1;
    }
    for request_id in &acknowledged {
        assert_eq!(commands.get(request_id.as_str()), Some(&1), "{request_id}, SEED={seed}");
    }
    assert_eq!(checker::audit_feeds(&clients).await, Ok(()), "SEED={seed}");
    let mut connection = PgConnection::connect(&database).await.unwrap();
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&mut connection).await.unwrap();
    assert_eq!(deadlocks, 0, "SEED={seed}");
    eprintln!("{count} kills, {} acknowledged, {} changes", acknowledged.len(), history.changes.len());
}

/// Clients that place orders and write notes on them.
struct Load {
    tasks: JoinSet<Vec<String>>,
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn start(instances: &[&Process], seed: u64) -> Self {
        let channels: Vec<Channel> = instances.iter().map(|instance| instance.channel()).collect();
        let (acknowledged, stop) = (Arc::default(), Arc::default());
        let mut tasks = JoinSet::new();
        for number in 0..CLIENTS {
            let client = Client {
                number,
                instances: channels.iter().cloned().map(OrdersClient::new).collect(),
                random: StdRng::seed_from_u64(seed.wrapping_add(1 + number)),
                acknowledged: Arc::clone(&acknowledged),
            };
            tasks.spawn(client.run(Arc::clone(&stop)));
        }
        Self { tasks, acknowledged, stop }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Until so many more are acknowledged.
    async fn wait_for(&self, more: usize) {
        let goal = self.acknowledged() + more;
        wait::until("more is acknowledged", || async {
            let now = self.acknowledged();
            if now >= goal { Ok(()) } else { Err(format!("{now} of {goal}")) }
        })
        .await;
    }

    /// The request ids of all that was acknowledged.
    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.concat()
    }
}

struct Client {
    number: u64,
    instances: Vec<OrdersClient<Channel>>,
    random: StdRng,
    acknowledged: Arc<AtomicUsize>,
}

impl Client {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Vec<String> {
        let mut done = Vec::new();
        for n in 0.. {
            let order_id = format!("o-{}-{n}", self.number);
            done.push(self.place(&order_id).await);
            for note in 0..self.random.random_range(0..3) {
                done.push(self.annotate(&order_id, note).await);
            }
            if stop.load(Ordering::SeqCst) {
                break;
            }
        }
        done
    }

    async fn place(&mut self, order_id: &str) -> String {
        let request_id = format!("{order_id}-place");
        let request = PlaceOrderRequest {
            request_id: request_id.clone(),
            order_id: order_id.to_owned(),
            customer_id: "ada".to_owned(),
            lines: vec![Line { sku: "teapot".to_owned(), quantity: 1 }],
            ..PlaceOrderRequest::default()
        };
        self.until_answered(|mut orders| {
            let request = request.clone();
            async move { orders.place_order(request).await.map(drop) }
        })
        .await;
        request_id
    }

    async fn annotate(&mut self, order_id: &str, note: usize) -> String {
        let request_id = format!("{order_id}-note{note}");
        let order = Order { order_id: order_id.to_owned(), note: format!("note {note}"), ..Order::default() };
        let request = UpdateOrderRequest {
            request_id: request_id.clone(),
            order: Some(order),
            ..UpdateOrderRequest::default()
        };
        self.until_answered(|mut orders| {
            let request = request.clone();
            async move { orders.update_order(request).await.map(drop) }
        })
        .await;
        request_id
    }

    /// Asks any instance, and after a failure that passes again any.
    async fn until_answered<F>(&mut self, ask: impl Fn(OrdersClient<Channel>) -> F)
    where
        F: Future<Output = Result<(), tonic::Status>>,
    {
        loop {
            let at = self.random.random_range(0..self.instances.len());
            match tokio::time::timeout(DEADLINE, ask(self.instances[at].clone())).await {
                Ok(Ok(())) => break,
                Ok(Err(status)) => {
                    let passes = [Code::Unavailable, Code::Unknown, Code::DeadlineExceeded, Code::Cancelled];
                    assert!(passes.contains(&status.code()), "{status:?}");
                }
                Err(_late) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}
