//! Makes each call at one of the addresses of the callee's name; the addresses come and go as the name says.
//!
//! Of those that serve, and whose circuit is closed, two are taken at random, and of these the less busy one
//! (`pick`). Who does not serve is asked only where nobody else is, and who cannot be reached only where there is
//! not even that. When all circuits are open the call is refused at once, with the time at which the first of
//! them lets a probe through.
//!
//! Why not what there is: tonic's own `balance_channel` keeps choosing addresses that are dead, and `tower`'s
//! `Balance`, below it, waits until somebody is ready, where a caller with a deadline is better served by a
//! refusal; neither knows of health, or that an attempt should go elsewhere than the one before.
//!
//! Connections are made when the callee is first called, and their health is watched from then on. Only then,
//! with several addresses of which nothing is known, a call waits for the first that serves: it would be sent to
//! any of them, also where a name stands for an address that nobody listens at (`localhost`).

#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures::future::select_ok;
use http::{Request, Response};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body};
use tower::Service;
use tracing::Span;

use super::{Target, breaker::Permit, endpoint::Endpoint, health::Health, pick::choose};
use crate::{
    around::Answer,
    fault::{Fault, Reason},
    resolve::Addresses,
    timeout,
};

/// All that is known of a callee; clones of its connection share it.
pub(super) struct Endpoints {
    target: Arc<Target>,
    addresses: Addresses,
    /// Makes the endpoint of an address.
    make: Box<dyn Fn(SocketAddr) -> Endpoint + Send + Sync>,
    /// How long a call waits until there is anybody to be called.
    patience: Duration,
    current: Mutex<Current>,
    /// Takes over what look-ups find, also while nobody calls; from the first call on.
    following: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Current {
    addresses: Arc<[SocketAddr]>,
    endpoints: Arc<[Arc<Endpoint>]>,
}

impl Endpoints {
    pub(super) fn new(
        target: Arc<Target>,
        addresses: Addresses,
        patience: Duration,
        make: impl Fn(SocketAddr) -> Endpoint + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            target,
            addresses,
            make: Box::new(make),
            patience,
            current: Mutex::default(),
            following: OnceLock::new(),
        })
    }

    pub(super) fn service(&self) -> &str {
        &self.target.service
    }

    /// Those that there are already.
    pub(super) fn made(&self) -> Arc<[Arc<Endpoint>]> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).endpoints.clone()
    }

    /// Those of the addresses that are known now. Who stays keeps its connection, and all that is known of it.
    fn latest(&self) -> Arc<[Arc<Endpoint>]> {
        // The new value is whole before it takes the old one's place.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: an older list cannot replace a newer one.
        let addresses = self.addresses.latest();
        if !Arc::ptr_eq(&current.addresses, &addresses) {
            let known = |address| current.endpoints.iter().find(|known| known.address() == address).cloned();
            let endpoint = |&address| known(address).unwrap_or_else(|| Arc::new((self.make)(address)));
            let endpoints = addresses.iter().map(endpoint).collect();
            *current = Current { addresses, endpoints };
        }
        current.endpoints.clone()
    }

    /// The endpoint that is to take the next call.
    async fn pick(self: &Arc<Self>) -> Result<(Arc<Endpoint>, Permit), Status> {
        self.following.get_or_init(|| {
            AbortOnDropHandle::new(tokio::spawn(follow(self.addresses.clone(), Arc::downgrade(self))))
        });
        let mut endpoints = self.latest();
        if endpoints.is_empty() {
            self.addresses.known().await.map_err(|unresolved| self.unreachable().with_source(unresolved))?;
            endpoints = self.latest();
        }
        if endpoints.len() > 1 && !endpoints.iter().any(|endpoint| endpoint.is_there()) {
            wait_for_the_first(&endpoints).await;
        }
        self.admitted(&endpoints).map_err(|left| self.refused(left))
    }

    /// The best one whose circuit lets a call through; else how long it is until one does.
    fn admitted(&self, endpoints: &[Arc<Endpoint>]) -> Result<(Arc<Endpoint>, Permit), Duration> {
        let mut endpoints = endpoints.to_vec();
        let mut standings: Vec<_> = endpoints.iter().map(|endpoint| endpoint.standing()).collect();
        let mut shortest = None;
        while let Some(chosen) = choose(&standings, &mut rand::rng()) {
            let endpoint = endpoints.swap_remove(chosen);
            standings.swap_remove(chosen);
            match endpoint.admit() {
                Ok(permit) => return Ok((endpoint, permit)),
                Err(left) => shortest = Some(shortest.map_or(left, |shortest: Duration| shortest.min(left))),
            }
        }
        Err(shortest.unwrap_or_default())
    }

    fn refused(&self, left: Duration) -> Status {
        let (target, ms) = (&self.target, left.as_millis());
        let text = format!("{target} did not answer before: not asked again for {ms} ms");
        Fault::new(Reason::Unavailable, text).retry_after(left).into()
    }

    fn unreachable(&self) -> Fault {
        Fault::new(Reason::Unavailable, format!("{} cannot be reached", self.target))
    }
}

async fn follow(mut addresses: Addresses, endpoints: Weak<Endpoints>) {
    while addresses.looked_up().await {
        let Some(endpoints) = endpoints.upgrade() else { return };
        endpoints.latest();
    }
}

/// Until somebody is there who can be called, or nobody is left of whom that is not known.
async fn wait_for_the_first(endpoints: &[Arc<Endpoint>]) {
    let there = endpoints.iter().map(|endpoint| {
        let mut health = endpoint.health().subscribe();
        Box::pin(async move {
            let told = health.wait_for(|health| *health != Health::Unknown).await;
            if told.is_ok_and(|health| *health != Health::Lost) { Ok(()) } else { Err(()) }
        })
    });
    // Where nobody is: the call finds out why.
    let _ = select_ok(there).await;
}

/// See [`Endpoints`].
#[derive(Clone)]
pub(super) struct Balancer {
    pub(super) endpoints: Arc<Endpoints>,
}

impl Service<Request<Body>> for Balancer {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer<Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer<Status> {
        let endpoints = self.endpoints.clone();
        Box::pin(async move {
            let start = Instant::now();
            let time = timeout::of(request.headers()).ok().flatten();
            let patience = time.unwrap_or(endpoints.patience).min(endpoints.patience);
            let picked = timeout(patience, endpoints.pick()).await;
            let (endpoint, permit) = picked.map_err(|_| endpoints.unreachable())??;
            let waited = start.elapsed();
            if let Some(time) = time.filter(|_| !waited.is_zero()) {
                request.headers_mut().insert(timeout::HEADER, timeout::header(time.saturating_sub(waited)));
            }
            Span::current().record("network.peer.address", endpoint.address().ip().to_string());
            Span::current().record("network.peer.port", endpoint.address().port());
            endpoint.call(permit, request).await
        })
    }
}
