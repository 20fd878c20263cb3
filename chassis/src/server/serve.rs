//! From the first call to the end of the last.

use std::{future::Future, pin::pin, sync::atomic::Ordering, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tonic::{
    service::Routes,
    transport::{Error, server::Server as Transport},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{Server, address::AddressFile, bind, incoming, methods};
use crate::{inbound::drain::Drain, readiness::State, run::StartError};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// After the drain timeout: how long the last statuses may take to leave.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long calls may take to end after a failure that stops the service.
const FAILURE_DRAIN: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until [`Server::shutdown`] is cancelled, then drains: calls may end within the drain
    /// timeout, what is left is ended with a status, and at last the connections are closed.
    pub async fn serve(mut self) -> Result<(), StartError> {
        self.serving.store(true, Ordering::SeqCst);
        let health = self.add_infrastructure().await?;
        if let Some(Some(failure)) = self.failures.next().now_or_never() {
            return Err(failure);
        }
        self.inbound.methods = methods::of(&self.services, &self.descriptors)?.into();
        let listener = self.socket.listen(BACKLOG).map_err(|e| bind::failed(self.address, e))?;
        let incoming = incoming::bounded(listener, self.limits.connections);
        let _file = AddressFile::write(&self.data_dir, self.address, self.admin_address)?;

        let mut states = self.readiness.states();
        let services = self.services;
        let _telling = AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(state) = states.next().await {
                tell(&health, &services, state).await;
            }
        }));
        drop(self.starting);
        tracing::info!(address = %self.address, admin = %self.admin_address, "serving");

        let Drain { shutdown, last_call } = self.inbound.drain.clone();
        let mut serving = pin!(
            Transport::builder()
                .http2_keepalive_interval(Some(self.limits.keepalive_interval))
                .http2_keepalive_timeout(Some(self.limits.keepalive_timeout))
                .max_concurrent_streams(self.limits.streams)
                .layer(self.inbound.layer())
                .serve_with_incoming_shutdown(
                    Routes::from(self.router).prepare(),
                    incoming,
                    shutdown.clone().cancelled_owned(),
                )
        );
        let (failure, ended) = tokio::select! {
            () = shutdown.cancelled() => (None, false),
            Some(failure) = self.failures.next() => (Some(failure), false),
            // Without connections, at the moment of the shutdown.
            result = &mut serving => (result.err().map(|e| StartError::new("serving", e)), true),
        };
        self.readiness.drain();
        shutdown.cancel();
        let patience =
            if failure.is_none() { self.drain_timeout } else { self.drain_timeout.min(FAILURE_DRAIN) };
        if !ended {
            drain(serving, patience, || last_call.cancel()).await;
        }
        tracing::info!("stopped");
        failure.map_or(Ok(()), Err)
    }

    /// Health of the server and each of its services, and reflection in both versions that are in use.
    async fn add_infrastructure(&mut self) -> Result<HealthReporter, StartError> {
        let (reporter, health) = tonic_health::server::health_reporter();
        self.add_service(health);
        let names = [self.services.as_slice(), &methods::reflection_services()].concat();
        let (v1, v1alpha) = methods::reflection(&names, &self.descriptors)?;
        self.add_service(v1).add_service(v1alpha);
        // A reporter begins with SERVING for the server as a whole.
        tell(&reporter, &self.services, State::Starting).await;
        Ok(reporter)
    }
}

/// Waits for the last connection to close: that may never be, so that first the calls are ended, and
/// then the connections.
async fn drain(
    mut serving: impl Future<Output = Result<(), Error>> + Unpin,
    patience: Duration,
    last_call: impl FnOnce(),
) {
    if timeout(patience, &mut serving).await.is_ok() {
        return;
    }
    tracing::warn!(?patience, "calls were still running: ending them");
    last_call();
    if timeout(LAST_WORDS, serving).await.is_err() {
        tracing::warn!("connections were still open: closing them");
    }
}

async fn tell(health: &HealthReporter, services: &[String], state: State) {
    let status = match state {
        State::Serving => ServingStatus::Serving,
        State::Starting | State::Draining => ServingStatus::NotServing,
    };
    tracing::debug!(?state, "readiness");
    for service in services.iter().map(String::as_str).chain([""]) {
        health.set_service_status(service, status).await;
    }
}
