//! From the first call to the end of the last.

use std::{future::Future, pin::pin, sync::atomic::Ordering, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::try_join_all};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Error;

use super::{
    Server,
    address::{AddressFile, Addresses},
};
use crate::{inbound::drain::Drain, readiness::Readiness, run::StartError};

/// After the drain timeout: how long the last statuses may take to leave.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long calls may take to end after a failure that stops the service.
const FAILURE_DRAIN: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until [`Server::shutdown`] is cancelled, then drains: calls may end within the drain
    /// timeout, what is left is ended with a status, and at last the connections are closed.
    pub async fn serve(mut self) -> Result<(), StartError> {
        self.serving.store(true, Ordering::SeqCst);
        let addresses =
            Addresses { grpc: self.address(), admin: self.admin_address(), feed: self.feed_address() };
        let mut complete = vec![self.grpc.complete().await?];
        if let Some(feed) = self.feed {
            complete.push(feed.complete().await?);
        }
        if let Some(Some(failure)) = self.failures.next().now_or_never() {
            return Err(failure);
        }
        let listening = complete.into_iter().map(|port| port.listen(&self.inbound));
        let listening: Vec<_> = listening.collect::<Result<_, _>>()?;
        let _file = AddressFile::write(&self.data_dir, addresses)?;
        let _telling: Vec<_> = listening.iter().map(|port| port.tell(self.readiness.states())).collect();
        drop(self.starting);
        let Addresses { grpc, admin, feed } = addresses;
        tracing::info!(address = %grpc, %admin, feed = feed.map(|feed| feed.to_string()), "serving");

        let drain = self.inbound.drain.clone();
        let _leaving = leave(drain.clone(), self.readiness.clone(), self.drain_delay);
        let Drain { shutdown, last_call, .. } = drain;
        let mut serving = pin!(try_join_all(listening.into_iter().map(|port| port.serve(shutdown.clone()))));
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
            end(serving, patience, || last_call.cancel()).await;
        }
        tracing::info!("stopped");
        failure.map_or(Ok(()), Err)
    }
}

/// At the first signal: not ready at once, and after the delay no more calls.
fn leave(drain: Drain, readiness: Readiness, delay: Duration) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        drain.leaving.cancelled().await;
        readiness.drain();
        if !delay.is_zero() {
            tracing::info!(?delay, "not ready, and taking calls until the delay is over");
            sleep(delay).await;
        }
        drain.shutdown.cancel();
    }))
}

/// Waits for the last connection to close: that may never be, so that first the calls are ended, and
/// then the connections.
async fn end(
    mut serving: impl Future<Output = Result<Vec<()>, Error>> + Unpin,
    patience: Duration,
    last_call: impl FnOnce(),
) {
    tracing::info!(?patience, "draining");
    if timeout(patience, &mut serving).await.is_ok() {
        return;
    }
    tracing::warn!(?patience, "calls were still running: ending them");
    last_call();
    if timeout(LAST_WORDS, serving).await.is_err() {
        tracing::warn!("connections were still open: closing them");
    }
}
