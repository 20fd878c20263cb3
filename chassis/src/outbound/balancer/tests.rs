//! Over real connections to servers that come, go, move and fall silent. Conditions are waited for; where the
//! contract names a time, that is the bound.

mod silent;
mod without_connections;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt as _, stream};
use opentelemetry::metrics::MeterProvider as _;
use tokio::time::Instant;
use tonic::Code;
use tonic_health::ServingStatus;
use tributary_proto::feed::v1::change_feed_client::ChangeFeedClient;

use super::*;
use crate::{
    callee::{Callee, nobody, until},
    outbound::{Outbound, OutboundOptions, endpoints_by, endpoints_gauge, retry},
    puppet::{tell, tell_stream},
    resolve::names::Names,
    testing::Meters,
};

/// By when a callee that is somewhere else, or silent, must have been noticed.
const NOTICED: Duration = Duration::from_secs(5);
const URI: &str = "http://callee.test:50051";

struct Caller {
    client: ChangeFeedClient<Outbound>,
    endpoints: Arc<Endpoints>,
    attempts: AtomicUsize,
}

impl Caller {
    fn of(names: &Names, service: &str) -> Self {
        let options = OutboundOptions { max_backoff: Duration::from_millis(500), ..Default::default() };
        let target = Arc::new(Target { service: service.to_owned(), uri: URI.parse().unwrap() });
        let endpoints = endpoints_by(names.resolver(), &target, &options);
        let balancer = Balancer { endpoints: endpoints.clone() };
        let client = ChangeFeedClient::new(Outbound::new(target, &options, balancer));
        Self { client, endpoints, attempts: AtomicUsize::new(0) }
    }

    /// One attempt.
    async fn call(&self, what: &str) -> Result<(), Status> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        let mut request = tell(what);
        request.set_timeout(Duration::from_secs(10));
        self.client.clone().describe(request).await.map(drop)
    }

    /// As callers do who may ask twice.
    async fn ask(&self) -> Result<(), Status> {
        let attempt = async || self.call("").await.map(tonic::Response::new);
        retry(attempt).await.map(drop)
    }

    /// So many, some at a time; the first that failed after its retries.
    async fn ask_often(&self, calls: usize) -> Result<(), Status> {
        let mut calls = stream::iter((0..calls).map(|_| self.ask())).buffer_unordered(8);
        while let Some(call) = calls.next().await {
            call?;
        }
        Ok(())
    }

    fn health(&self, address: SocketAddr) -> Option<Health> {
        let made = self.endpoints.made();
        let endpoint = made.iter().find(|endpoint| endpoint.address() == address)?;
        Some(*endpoint.health().borrow())
    }

    async fn until_health(&self, address: SocketAddr, health: Health) -> Duration {
        until("the health", async || self.health(address) == Some(health)).await
    }
}

async fn three() -> (Vec<Callee>, Names) {
    let callees = vec![Callee::start().await, Callee::start().await, Callee::start().await];
    let addresses: Vec<_> = callees.iter().map(Callee::address).collect();
    (callees, Names::of(&addresses))
}

#[tokio::test]
async fn one_dead_of_three_from_the_start_costs_no_attempt() {
    let (callees, names) = three().await;
    names.stand_for(&[callees[0].address(), callees[1].address(), nobody().await]);
    let caller = Caller::of(&names, "callee");
    caller.ask_often(600).await.unwrap();
    assert_eq!(caller.attempts.load(Ordering::SeqCst), 600);
    let calls: Vec<_> = callees.iter().map(|callee| callee.puppet.calls()).collect();
    assert!(calls[0] > 150 && calls[1] > 150, "{calls:?}");
}

#[tokio::test]
async fn when_one_of_three_dies_no_call_fails_after_its_retry() {
    let (mut callees, names) = three().await;
    let caller = Caller::of(&names, "callee");
    caller.ask_often(60).await.unwrap();
    assert!(callees.iter().all(|callee| callee.puppet.calls() > 0));
    let dies = async {
        until("calls", async || caller.attempts.load(Ordering::SeqCst) > 200).await;
        callees.pop()
    };
    let (called, dead) = tokio::join!(caller.ask_often(540), dies);
    called.unwrap();
    // Those that were under way to it, at most eight, and those that left before it was missed.
    let attempts = caller.attempts.load(Ordering::SeqCst);
    assert!((600..632).contains(&attempts), "{attempts} attempts");
    assert!(dead.unwrap().puppet.calls() > 20);
}

#[tokio::test]
async fn who_drains_gets_no_new_call() {
    let (callees, names) = three().await;
    let caller = Caller::of(&names, "callee");
    caller.ask_often(60).await.unwrap();
    let [drains, stays, _] = &callees[..] else { unreachable!() };
    drains.tell(ServingStatus::NotServing).await;
    let told = caller.until_health(drains.address(), Health::NotServing).await;
    assert!(told < Duration::from_secs(1), "one message took {told:?}");
    let before = (drains.puppet.calls(), stays.puppet.calls());
    caller.ask_often(100).await.unwrap();
    assert_eq!(drains.puppet.calls(), before.0);
    assert!(stays.puppet.calls() > before.1);
    // Where nobody else is, it is asked.
    names.stand_for(&[drains.address()]);
    until("it is alone", async || caller.endpoints.made().len() == 1).await;
    caller.ask().await.unwrap();
    assert_eq!(drains.puppet.calls(), before.0 + 1);
}

#[tokio::test]
async fn a_callee_at_a_new_address_is_called_there() {
    let (old, new) = (Callee::start().await, Callee::start().await);
    let names = Names::of(&[old.address()]);
    let caller = Caller::of(&names, "callee");
    caller.ask().await.unwrap();
    // A call that it has may end.
    let client = caller.client.clone();
    let running = tokio::spawn(async move { client.clone().describe(tell("gate")).await });
    until("the call is there", async || old.puppet.calls() == 2).await;
    names.stand_for(&[new.address()]);
    let moved = until("a call at the new address", async || {
        caller.ask().await.unwrap();
        new.puppet.calls() > 0
    });
    let moved = moved.await;
    assert!(moved < NOTICED, "{moved:?}");
    let calls = old.puppet.calls();
    caller.ask_often(50).await.unwrap();
    assert_eq!(old.puppet.calls(), calls);
    old.puppet.gate.add_permits(1);
    running.await.unwrap().unwrap();
    // What it is called there, it was called before.
    let authority = new.authority.lock().unwrap().clone().unwrap();
    assert_eq!(authority, "callee.test:50051");
}

#[tokio::test]
async fn known_addresses_are_called_while_names_cannot_be_looked_up() {
    let callee = Callee::start().await;
    let names = Names::of(&[callee.address()]);
    let caller = Caller::of(&names, "callee");
    caller.ask().await.unwrap();
    let before = names.lookups();
    names.fail();
    until("a look-up", async || names.lookups() > before).await;
    names.stand_for(&[]);
    let before = names.lookups();
    until("a look-up", async || names.lookups() > before).await;
    caller.call("").await.unwrap();
}

#[tokio::test]
async fn a_name_without_an_address_is_refused_at_once() {
    let names = Names::of(&[]);
    let caller = Caller::of(&names, "callee");
    let start = Instant::now();
    let status = caller.call("").await.unwrap_err();
    assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::Unavailable)));
    assert_eq!(status.message(), format!("callee at {URI}/ cannot be reached"));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let callee = Callee::start().await;
    names.stand_for(&[callee.address()]);
    until("it is found", async || caller.call("").await.is_ok()).await;
}

#[tokio::test]
async fn who_comes_back_at_its_address_is_called_again() {
    let (stays, goes) = (Callee::start().await, Callee::start().await);
    let address = goes.address();
    let caller = Caller::of(&Names::of(&[stays.address(), address]), "callee");
    caller.ask_often(20).await.unwrap();
    caller.until_health(address, Health::Serving).await;
    drop(goes);
    caller.until_health(address, Health::Lost).await;
    caller.ask_often(20).await.unwrap();
    let back = Callee::start_at(address).await;
    until("a call", async || {
        caller.call("").await.unwrap();
        back.puppet.calls() > 0
    })
    .await;
}

#[tokio::test]
async fn what_is_in_flight_is_counted_to_its_last_byte() {
    let callee = Callee::start().await;
    let caller = Caller::of(&Names::of(&[callee.address()]), "callee");
    let in_flight = || caller.endpoints.made()[0].standing().in_flight;
    let stream = caller.client.clone().subscribe(tell_stream("silent")).await.unwrap();
    let gated = caller.call("gate");
    let released = async {
        until("both are under way", async || in_flight() == 2).await;
        callee.puppet.gate.add_permits(1);
    };
    let (answered, ()) = tokio::join!(gated, released);
    answered.unwrap();
    assert_eq!(in_flight(), 1);
    drop(stream);
    assert_eq!(in_flight(), 0);
}

#[tokio::test]
async fn addresses_are_counted_by_state() {
    let (callees, names) = three().await;
    let meters = Meters::new();
    let meter = meters.provider().meter("test");
    let callers = [Caller::of(&names, "one"), Caller::of(&names, "other")];
    callers.iter().for_each(|caller| endpoints_gauge::observe(&meter, &caller.endpoints));
    let count = |service: &str, state: &str| {
        let labels = format!("peer_service=\"{service}\",state=\"{state}\"");
        meters.value(&format!("tributary_outbound_endpoints{{{labels}}}")).unwrap()
    };
    let [one, other] = &callers;
    one.ask().await.unwrap();
    callees[0].tell(ServingStatus::NotServing).await;
    until("the states of one", async || count("one", "SERVING") == 2.0).await;
    assert_eq!((count("one", "NOT_SERVING"), count("one", "LOST")), (1.0, 0.0));
    assert_eq!(count("other", "SERVING"), 0.0, "it was not called yet");
    other.ask().await.unwrap();
    until("the states of the other", async || count("other", "SERVING") == 2.0).await;
}
