//! A process that is told to stop while it is busy: what was begun ends well, what would not end is told to come
//! again and from where, and nothing that was acknowledged is missing behind it.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser as _;
use shop_proto::{
    catalog::v1::{CreateProductRequest, Product, catalog_client::CatalogClient},
    customers::v1::{
        CreateCustomerRequest, Customer, DeleteCustomerRequest, GetCustomerRequest, ListCustomersRequest,
        ListCustomersResponse, UpdateCustomerRequest, customers_server,
    },
    money::v1::Money,
    orders::v1::{
        Order, PlaceOrderRequest, WatchOrderRequest, orders_client::OrdersClient, place_order_request::Line,
    },
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Request, Response, Status, Streaming,
    transport::{Channel, Endpoint, Server},
};
use tributary_chassis::{fault::Reason, testing::Running};
use tributary_proto::feed::v1::{
    DescribeRequest, Position, SubscribeRequest, SubscribeResponse, change_feed_client::ChangeFeedClient,
    subscribe_request::Start, subscribe_response::Frame,
};

use super::{service::Service, shop::PRICE};

/// Nobody listens there: the orders stay where they are.
const NOWHERE: &str = "http://127.0.0.1:1";
/// Callers that place one order after another.
const CALLERS: usize = 8;
/// The customer about whom an answer takes its time.
const SLOW: &str = "slow";
/// What a process may take to end: more, and what started it would kill it.
const DRAIN_TIMEOUT: &str = "20s";

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_ends_in_good_order() {
    let busy = Busy::start("0s").await;
    let slow = busy.slow_call().await;
    busy.service.terminate();
    ready_no_more(&busy.admin);
    busy.finish(slow).await;
}

/// Callers and lists of addresses take a moment to follow: until then calls are taken.
#[tokio::test(flavor = "multi_thread")]
async fn within_the_drain_delay_nothing_ends_and_new_calls_are_taken() {
    let delay = Duration::from_secs(4);
    let mut busy = Busy::start("4s").await;
    let slow = busy.slow_call().await;
    let begin = Instant::now();
    busy.service.terminate();
    ready_no_more(&busy.admin);
    // On a connection of its own, which is made now; it is published, and the watch goes on.
    let client = OrdersClient::new(connect(&busy.url).await);
    let placed = client.clone().place_order(order("ada", "o-late")).await.unwrap().into_inner();
    while !busy.seen.orders.contains(&placed.order_id) {
        busy.seen.take(busy.frames.message().await.unwrap().unwrap());
    }
    assert!(begin.elapsed() < delay, "too slow a machine to tell: {:?}", begin.elapsed());
    busy.finish(slow).await;
    assert!(begin.elapsed() >= delay, "{:?}", begin.elapsed());
}

/// The service under load, with somebody who follows it and somebody who watches an order.
struct Busy {
    service: Service,
    url: String,
    admin: String,
    customers: Desk,
    frames: Streaming<SubscribeResponse>,
    seen: Seen,
    watch: Streaming<Order>,
    callers: JoinSet<(Vec<String>, PlaceOrderRequest)>,
    _catalog: (Running, TempDir),
}

impl Busy {
    async fn start(delay: &str) -> Self {
        let (customers, customers_url) = Desk::open().await;
        let catalog = catalog().await;
        let mut flags = vec!["orders", "--drain-delay", delay, "--drain-timeout", DRAIN_TIMEOUT];
        flags.extend(["--feed-listen", "127.0.0.1:0"]);
        flags.extend(["--customers", &customers_url, "--catalog", catalog.0.url()]);
        flags.extend(["--inventory", NOWHERE, "--payments", NOWHERE, "--shipping", NOWHERE]);
        let service = Service::process(flags.into_iter().map(str::to_owned).collect()).await;
        let (admin, url) = (service.admin(), service.url().to_owned());

        let mut client = OrdersClient::new(connect(&url).await);
        client.place_order(order("ada", "o-watched")).await.unwrap();
        let request = WatchOrderRequest { order_id: "o-watched".to_owned() };
        let mut watch = client.watch_order(request).await.unwrap().into_inner();
        watch.message().await.unwrap().expect("the order");
        let (mut frames, mut seen) = follow(&service, None).await;
        seen.take(frames.message().await.unwrap().unwrap());

        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            callers.spawn(place_until_it_stops(url.clone(), caller));
        }
        // All of them are at it.
        while (0..CALLERS).any(|caller| !seen.orders.contains(&format!("o-{caller}-0"))) {
            seen.take(frames.message().await.unwrap().unwrap());
        }
        Self { service, url, admin, customers, frames, seen, watch, callers, _catalog: catalog }
    }

    /// A call that has begun, and waits for somebody else.
    async fn slow_call(&self) -> JoinHandle<Result<Response<Order>, Status>> {
        let mut client = OrdersClient::new(connect(&self.url).await);
        let call = tokio::spawn(async move { client.place_order(order(SLOW, "o-slow")).await });
        self.customers.asked.acquire().await.unwrap().forget();
        call
    }

    /// Until the process has ended, and another has shown that nothing is missing.
    async fn finish(mut self, slow: JoinHandle<Result<Response<Order>, Status>>) {
        // The streams end before the call that is still running does.
        let end = loop {
            match self.frames.message().await {
                Ok(frame) => self.seen.take(frame.expect("an end with a status")),
                Err(status) => break status,
            }
        };
        assert_eq!((end.code(), Reason::of(&end)), (Code::Unavailable, Some(Reason::Draining)));
        let end = self.watch.message().await.unwrap_err();
        assert_eq!((end.code(), Reason::of(&end)), (Code::Unavailable, Some(Reason::Draining)));
        assert!(!slow.is_finished());
        self.customers.answer.add_permits(1);
        assert_eq!(slow.await.unwrap().unwrap().into_inner().order_id, "o-slow");
        let status = self.service.ended().await;
        assert_eq!(status.code(), Some(0), "{status}");

        let (placed, refused): (Vec<_>, Vec<_>) = self.callers.join_all().await.into_iter().unzip();
        let mut placed = placed.concat();
        assert!(placed.len() >= CALLERS);
        // From where the stream ended, in a process that is another; who was not answered asks that again.
        self.service.start().await;
        let mut client = OrdersClient::new(connect(&self.url).await);
        for request in refused {
            placed.push(client.place_order(request).await.unwrap().into_inner().order_id);
        }
        let (mut frames, mut seen) = follow(&self.service, Some(self.seen)).await;
        for order_id in placed.iter().map(String::as_str).chain(["o-slow"]) {
            while !seen.orders.contains(order_id) {
                seen.take(frames.message().await.unwrap().unwrap());
            }
        }
    }
}

/// The orders that were acknowledged until the service takes no more, and the request that was not.
async fn place_until_it_stops(url: String, caller: usize) -> (Vec<String>, PlaceOrderRequest) {
    let mut client = OrdersClient::new(connect(&url).await);
    let mut placed = Vec::new();
    loop {
        let order_id = format!("o-{caller}-{}", placed.len());
        let request = order("ada", &order_id);
        match client.place_order(request.clone()).await {
            Ok(_) => placed.push(order_id),
            Err(status) => {
                // CANCELLED is the client's own word: it has not sent what it found no connection for any more.
                let codes = [Code::Unavailable, Code::Cancelled];
                assert!(codes.contains(&status.code()), "{status}");
                return (placed, request);
            }
        }
    }
}

/// What a follower has.
#[derive(Default)]
struct Seen {
    through: Position,
    orders: BTreeSet<String>,
}

impl Seen {
    /// Takes what comes next, which leads on from what came before.
    fn take(&mut self, response: SubscribeResponse) {
        let Some(Frame::Changes(frame)) = response.frame else { return };
        assert_eq!(frame.after.as_ref(), Some(&self.through));
        let sequences: Vec<u64> = frame.changes.iter().map(|change| change.sequence).collect();
        let through = frame.through.unwrap();
        assert_eq!(sequences, (self.through.sequence + 1..=through.sequence).collect::<Vec<_>>());
        self.orders.extend(frame.changes.into_iter().map(|change| change.key));
        self.through = through;
    }
}

/// From what was seen before, or from the very beginning.
async fn follow(service: &Service, seen: Option<Seen>) -> (Streaming<SubscribeResponse>, Seen) {
    let mut client = ChangeFeedClient::new(connect(&format!("http://{}", service.feed())).await);
    let head = client.describe(DescribeRequest {}).await.unwrap().into_inner().head.unwrap();
    let beginning = Position { sequence: 0, digest: 0, ..head };
    let seen = seen.unwrap_or(Seen { through: beginning, ..Seen::default() });
    let start = Some(Start::After(seen.through.clone()));
    let request = SubscribeRequest { start, consumer: "test".to_owned(), ..SubscribeRequest::default() };
    (client.subscribe(request).await.unwrap().into_inner(), seen)
}

async fn connect(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap()
}

/// Waits until the admin port says that it is not ready, which it goes on to say.
fn ready_no_more(admin: &str) {
    let begin = Instant::now();
    loop {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        if text.starts_with("HTTP/1.1 503") {
            assert!(text.ends_with("draining\n"), "{text}");
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(3), "{text}");
    }
}

fn order(customer_id: &str, order_id: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: format!("place-{order_id}"),
        order_id: order_id.to_owned(),
        customer_id: customer_id.to_owned(),
        lines: vec![Line { sku: "teapot".to_owned(), quantity: 1 }],
        ..PlaceOrderRequest::default()
    }
}

/// With a teapot.
async fn catalog() -> (Running, TempDir) {
    let dir = TempDir::new().unwrap();
    let config = catalog::Config::parse_from(["catalog"]);
    let running = Running::start("catalog", dir.path(), |server| catalog::start(config, server)).await;
    let product = Product {
        display_name: "Teapot".to_owned(),
        category: "KITCHEN".to_owned(),
        price: Some(Money { currency_code: "EUR".to_owned(), minor_units: PRICE }),
        ..Product::default()
    };
    let sku = "teapot".to_owned();
    let request = CreateProductRequest { sku, product: Some(product), ..CreateProductRequest::default() };
    CatalogClient::new(running.channel()).create_product(request).await.unwrap();
    (running, dir)
}

/// Stands in for customers: knows everybody, and about one of them answers when it is told to.
#[derive(Clone)]
struct Desk {
    /// A permit for each time that it was asked about that one.
    asked: Arc<Semaphore>,
    /// One is needed for each answer.
    answer: Arc<Semaphore>,
}

impl Desk {
    async fn open() -> (Self, String) {
        let desk = Self { asked: Arc::new(Semaphore::new(0)), answer: Arc::new(Semaphore::new(0)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder()
            .add_service(customers_server::CustomersServer::new(desk.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (desk, url)
    }
}

fn not_needed<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not needed here"))
}

#[tonic::async_trait]
impl customers_server::Customers for Desk {
    async fn get_customer(&self, request: Request<GetCustomerRequest>) -> Result<Response<Customer>, Status> {
        let customer_id = request.into_inner().customer_id;
        if customer_id == SLOW {
            self.asked.add_permits(1);
            self.answer.acquire().await.unwrap().forget();
        }
        Ok(Response::new(Customer { customer_id, ..Customer::default() }))
    }

    async fn create_customer(&self, _: Request<CreateCustomerRequest>) -> Result<Response<Customer>, Status> {
        not_needed()
    }

    async fn list_customers(
        &self,
        _: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        not_needed()
    }

    async fn update_customer(&self, _: Request<UpdateCustomerRequest>) -> Result<Response<Customer>, Status> {
        not_needed()
    }

    async fn delete_customer(&self, _: Request<DeleteCustomerRequest>) -> Result<Response<()>, Status> {
        not_needed()
    }
}
