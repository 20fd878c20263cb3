//! Calls to other services, through the same layers everywhere, one per file. From the outside in:
//!
//! 1. `trace`: a span per call, whose context the callee continues;
//! 2. `metrics`: counts what the caller sees;
//! 3. `positions`: notes what the callee's answer stands on;
//! 4. `deadline`: hands on what is left of the caller's time, or refuses when that is too little;
//! 5. `balancer`: makes the call at one of the callee's addresses. For each of them, an `endpoint`:
//! 6. `breaker`: does not call an endpoint that cannot be reached, or has just failed again and again. Refusals
//!    for lack of time lie outside of it, since they say nothing about the endpoint;
//! 7. `timeout`: ends a call that is not answered in time. Inside of the breaker, to which it is a failure;
//! 8. `channel`: the connection; its `health` is watched.
//!
//! Retries are none of these: they repeat a whole call, see [`retry`], at another address if there is one (`tried`).

mod balancer;
mod breaker;
pub(crate) mod channel;
mod deadline;
mod endpoint;
mod endpoints_gauge;
mod health;
mod metrics;
mod pick;
mod positions;
mod retry;
#[cfg(test)]
mod tests;
mod timeout;
mod trace;
mod tried;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Uri};
use opentelemetry::global;
use tonic::{Status, body::Body};
use tower::{Service, ServiceBuilder, util::BoxCloneSyncService};

pub use retry::retry;

use self::{
    balancer::{Balancer, Endpoints},
    endpoint::Endpoint,
};
use crate::{
    around::{Answer, around},
    resolve::{self, Addresses, Resolver},
    telemetry::SCOPE,
};

/// A connection to another service, for the generated clients: to each address of its name. Cheap to clone;
/// clones share the connections and their circuit breakers.
#[derive(Clone)]
pub struct Outbound {
    target: Arc<Target>,
    service: BoxCloneSyncService<Request<Body>, Response<Body>, Status>,
}

/// Who is called.
#[derive(Debug)]
struct Target {
    service: String,
    uri: Uri,
}

/// How another service is called.
#[derive(Clone, Debug)]
pub struct OutboundOptions {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Limit of a call that comes with no other.
    pub call_timeout: Duration,
    /// Failures in a row after which the circuit of an address opens; one to connect is enough.
    pub failures: u32,
    /// How long the circuit stays open at first; doubled with every failed probe.
    pub min_backoff: Duration,
    /// How long it stays open at most.
    pub max_backoff: Duration,
}

impl Default for OutboundOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            call_timeout: Duration::from_secs(10),
            failures: 5,
            min_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(2),
        }
    }
}

/// A connection to `service` at `uri`, which is made when it is first needed and again when it broke; one to each
/// address of a name, which is looked up again every two seconds. Inside of a runtime.
pub fn connect(service: &str, uri: Uri, options: OutboundOptions) -> Outbound {
    let target = Arc::new(Target { service: service.to_owned(), uri });
    let endpoints = endpoints_by(resolve::system(), &target, &options);
    endpoints_gauge::observe(&global::meter(SCOPE), &endpoints);
    Outbound::new(target, &options, Balancer { endpoints })
}

fn endpoints_by(resolver: Resolver, target: &Arc<Target>, options: &OutboundOptions) -> Arc<Endpoints> {
    let addresses = Addresses::of(&target.uri, resolver);
    let make = {
        let (target, options, addresses) = (target.clone(), options.clone(), addresses.clone());
        move |address| Endpoint::connect(&target, address, &options, &addresses)
    };
    Endpoints::new(target.clone(), addresses, options.connect_timeout, make)
}

impl Outbound {
    /// The layers around what makes the calls.
    fn new(target: Arc<Target>, options: &OutboundOptions, balancer: Balancer) -> Self {
        let stack = ServiceBuilder::new()
            .layer(around(trace::Trace::new(target.clone())))
            .layer(around(metrics::Metrics::new(target.clone())))
            .layer(around(positions::TakePositions))
            .layer(around(deadline::Deadline::new(target.clone(), options.call_timeout)))
            .service(balancer);
        Self { target, service: BoxCloneSyncService::new(stack) }
    }
}

impl Service<Request<Body>> for Outbound {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer<Status>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer<Status> {
        self.service.call(request)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outbound").field(&self.target).finish()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.service, self.uri)
    }
}
