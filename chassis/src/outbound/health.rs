//! Whether an address wants to be called: asked by `grpc.health.v1.Health.Watch` over the connection of its
//! calls, so that the end of the stream is the end of the connection.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::{sync::watch, time::sleep};
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};

use super::{OutboundOptions, breaker::Breaker};
use crate::resolve::Addresses;

/// How long the word of a server that knows nothing of health is taken to be good for.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What an address said last; in the order in which addresses are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// Calls are welcome.
    Serving,
    /// It was not reached yet.
    Unknown,
    /// It starts, or is about to stop.
    NotServing,
    /// The connection is gone.
    Lost,
}

/// Watches one address, until it is dropped.
pub(super) struct Watcher {
    pub(super) channel: Channel,
    pub(super) health: watch::Sender<Health>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) addresses: Addresses,
}

impl Watcher {
    pub(super) async fn run(self, options: OutboundOptions) {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(options.min_backoff)
            .with_max_delay(options.max_backoff)
            .with_jitter()
            .without_max_times();
        let mut pauses = backoff.build();
        loop {
            let (heard, end) = self.follow().await;
            if end.code() == Code::Unimplemented {
                // It was asked and has answered: it serves, for all that can be known. Nobody tells when that
                // ends, so that it is asked again.
                self.heard(Health::Serving);
                pauses = backoff.build();
                sleep(ASK_AGAIN).await;
                continue;
            }
            let before = self.health.send_replace(Health::Lost);
            if before != Health::Lost {
                tracing::debug!(status = %end, "the health of a callee is not known any more");
                self.addresses.look_again();
            }
            if heard {
                pauses = backoff.build();
            }
            sleep(pauses.next().unwrap_or(options.max_backoff)).await;
        }
    }

    /// Takes over what it says, until it says no more; whether it said anything, and how that ended.
    async fn follow(&self) -> (bool, Status) {
        let request = HealthCheckRequest::default();
        let mut answers = match HealthClient::new(self.channel.clone()).watch(request).await {
            Ok(answers) => answers.into_inner(),
            Err(status) => return (false, status),
        };
        let mut heard = false;
        loop {
            match answers.message().await {
                Ok(Some(answer)) => {
                    heard = true;
                    self.heard(health(&answer));
                }
                Ok(None) => return (heard, Status::unavailable("it ended the stream")),
                Err(status) => return (heard, status),
            }
        }
    }

    fn heard(&self, health: Health) {
        self.health.send_replace(health);
        self.breaker.reached();
    }
}

fn health(answer: &HealthCheckResponse) -> Health {
    match answer.status() {
        ServingStatus::Serving => Health::Serving,
        ServingStatus::NotServing | ServingStatus::ServiceUnknown | ServingStatus::Unknown => {
            Health::NotServing
        }
    }
}
