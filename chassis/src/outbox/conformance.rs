//! One suite for all stores: what an outbox promises, checked on each of them with the same code, and the
//! defects that the suite must find.

pub(super) mod hooks;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Waits for a condition, for as long as a slow machine may need.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        sleep(Duration::from_millis(1)).await;
    }
}
