//! One address of a callee: its connection, its circuit, its health, and the calls that it has to answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body};
use tower::{Layer as _, Service as _, util::BoxCloneSyncService};

use super::{
    OutboundOptions, Target,
    breaker::{Breaker, Permit, Verdict},
    channel::{self, Connection},
    health::{Health, Watcher},
    pick::Standing,
    timeout::Timeout,
    tried,
};
use crate::{
    around::{Answer, Next, around},
    resolve::Addresses,
};

/// Dropped, it is called no more; calls that it has may end.
pub(super) struct Endpoint {
    address: SocketAddr,
    breaker: Arc<Breaker>,
    health: watch::Sender<Health>,
    /// Each call that is in flight holds a clone.
    in_flight: Arc<()>,
    service: BoxCloneSyncService<Request<Body>, Response<Body>, Status>,
    /// Of the health; ends with the endpoint.
    _watching: Option<AbortOnDropHandle<()>>,
}

impl Endpoint {
    /// Connects, and watches the health, inside of a runtime.
    pub(super) fn connect(
        target: &Arc<Target>,
        address: SocketAddr,
        options: &OutboundOptions,
        addresses: &Addresses,
    ) -> Self {
        let breaker = Arc::new(Breaker::new(target.clone(), address, options));
        let channel = channel::to(address, &target.uri, options);
        let connection = Connection {
            target: target.clone(),
            channel: channel.clone(),
            breaker: breaker.clone(),
            addresses: addresses.clone(),
        };
        let mut endpoint = Self::around(target, address, breaker.clone(), connection);
        let (health, addresses) = (endpoint.health.clone(), addresses.clone());
        let watcher = Watcher { channel, health, breaker, addresses };
        endpoint._watching = Some(AbortOnDropHandle::new(tokio::spawn(watcher.run(options.clone()))));
        endpoint
    }

    /// Around what makes the calls.
    pub(super) fn around<S: Next<Status> + Clone + Send + Sync + 'static>(
        target: &Arc<Target>,
        address: SocketAddr,
        breaker: Arc<Breaker>,
        inner: S,
    ) -> Self {
        Self {
            address,
            breaker,
            health: watch::Sender::new(Health::Unknown),
            in_flight: Arc::default(),
            service: BoxCloneSyncService::new(around(Timeout::new(target.clone())).layer(inner)),
            _watching: None,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn health(&self) -> &watch::Sender<Health> {
        &self.health
    }

    /// Whether it answered when it was last asked for its health.
    pub(super) fn is_there(&self) -> bool {
        matches!(*self.health.borrow(), Health::Serving | Health::NotServing)
    }

    /// What there is to say for and against calling it now.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            refused: self.breaker.refuses(),
            health: *self.health.borrow(),
            tried: tried::has(self.address),
            in_flight: Arc::strong_count(&self.in_flight) - 1,
        }
    }

    /// Lets a call through, or says how long it is not worth to ask again.
    pub(super) fn admit(&self) -> Result<Permit, Duration> {
        self.breaker.admit()
    }

    /// Makes a call that was let through.
    pub(super) fn call(&self, permit: Permit, request: Request<Body>) -> Answer<Status> {
        tried::note(self.address);
        let held = self.in_flight.clone();
        let answer = self.service.clone().call(request);
        Box::pin(async move {
            let answer = answer.await;
            permit.tell(Verdict::of(&answer));
            // In flight until the last of the answer was read, or nobody wants it any more.
            Ok(answer?.map(|body| {
                Body::new(body.map_err(move |status| {
                    let _ = &held;
                    status
                }))
            }))
        })
    }
}
