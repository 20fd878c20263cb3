//! How fast a load goes, and how long it puts up with servers that are away.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use clap::Args;
use prost_reflect::DynamicMessage;
use tonic::{Code, Status};
use tributary_chassis::{fault::Reason, settings::positive_duration};

use crate::{
    directory::Found,
    unary::{self, Reply},
};

/// First pause before a call is repeated; doubled each time, and each with up to as much again at random.
const MIN_DELAY: Duration = Duration::from_millis(50);
/// Longest pause: a server that is back is noticed soon.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Is told of a load's calls how they go.
pub(super) trait Audience {
    /// A server cannot take a call just now.
    fn waits_for(&self, server: &str, status: &Status);
    /// A call was answered.
    fn answered(&self);
}

/// What every kind of data takes.
#[derive(Clone, Debug, Args)]
pub(super) struct Pace {
    /// Calls under way at the same time; a service works on 256 at most.
    #[arg(long, env = "TRIBUTARY_CONCURRENCY", value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) concurrency: u16,

    /// How long each call may take.
    #[arg(long, env = "TRIBUTARY_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    pub(super) timeout: Duration,

    /// How long a call is repeated while a server is away or busy, before the load ends.
    #[arg(long, env = "TRIBUTARY_PATIENCE", value_name = "TIME", default_value = "60s", value_parser = positive_duration)]
    pub(super) patience: Duration,
}

impl Pace {
    /// Makes a call that may be made twice (a read, or a write under a request id), again and again until it is
    /// answered, refused, or patience is at its end.
    pub(super) async fn call(
        &self,
        found: &Found,
        message: &DynamicMessage,
        audience: &impl Audience,
    ) -> Result<Reply, Status> {
        let attempt = || unary::call(found, message.clone(), self.timeout);
        self.repeat(&found.target.name, audience, attempt).await
    }

    /// The same for whatever is asked of a server.
    pub(super) async fn repeat<T, F: Future<Output = Result<T, Status>>>(
        &self,
        server: &str,
        audience: &impl Audience,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Status> {
        let started = Instant::now();
        let backoff = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(MIN_DELAY)
            .with_max_delay(MAX_DELAY)
            .without_max_times();
        let reply = attempt
            .retry(backoff)
            .when(|status| is_transient(status) && started.elapsed() < self.patience)
            .notify(|status, _| audience.waits_for(server, status))
            .await;
        audience.answered();
        reply
    }
}

/// Whether the same call may well succeed later.
pub(super) fn is_transient(status: &Status) -> bool {
    match Reason::of(status) {
        Some(reason) => matches!(
            reason,
            Reason::Unavailable
                | Reason::Draining
                | Reason::Overloaded
                | Reason::DeadlineExceeded
                | Reason::OutcomeUnknown
        ),
        // Nothing that a service says: the connection broke, was refused, or time was up on this side.
        None => matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_chassis::fault::Fault;

    #[test]
    fn only_what_passes_is_waited_for() {
        for reason in Reason::ALL {
            let passes = matches!(reason.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Unknown)
                || reason == Reason::Overloaded;
            assert_eq!(is_transient(&Fault::new(reason, "why").into()), passes, "{reason:?}");
        }
        assert!(is_transient(&Status::unavailable("tcp connect error")));
        assert!(is_transient(&Status::unknown("transport error")));
        assert!(!is_transient(&Status::internal("a defect")));
        assert!(!is_transient(&Status::resource_exhausted("the message is too large")));
    }
}
