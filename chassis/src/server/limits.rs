//! What connections are held to.

use std::time::Duration;

/// At each port for itself: a crowd at one does not keep others from the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at the same time; more wait to be accepted.
    pub(super) connections: usize,
    /// Streams of one at the same time; more wait at the client.
    pub(super) streams: u32,
    /// A peer that is silent for this long is asked whether it is still there ...
    pub(super) keepalive_interval: Duration,
    /// ... and has this long to answer.
    pub(super) keepalive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Half of the file descriptors that a process has by default.
            connections: 512,
            streams: 1024,
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Those of a port that has a feed alone. A subscriber has two connections, one to read and one to acknowledge;
    /// as many may come beside them, and are told that there is no room.
    pub(super) fn of_feed(max_subscribers: usize) -> Self {
        let limits = Self::default();
        Self { connections: limits.connections.min(max_subscribers.saturating_mul(4)), ..limits }
    }
}
