//! How long a follower waits for what.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::feed::MAX_PROGRESS_INTERVAL;

/// How patient a follower is.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For a connection, and for the first answer to a call.
    pub connect: Duration,
    /// Without any frame, a stream is taken for dead: three times the longest interval of progress.
    pub silence: Duration,
    /// Between attempts at first; twice as long each time, and jitter on top.
    pub backoff: Duration,
    /// Between attempts at most.
    pub longest_backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: MAX_PROGRESS_INTERVAL * 3,
            backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// The pauses between attempts, from the first.
    pub(super) fn backoff(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.backoff)
            .with_max_delay(self.longest_backoff)
            .with_jitter()
            .without_max_times()
            .build()
    }
}
