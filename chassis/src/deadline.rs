//! The moment by which the call at hand must have been answered, known to everything that it does.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Runs `call` with a deadline; inside of another one, the earlier of the two holds. Nothing is cut off
/// here: whoever waits asks [`remaining`].
pub async fn scope<F: Future>(deadline: Instant, call: F) -> F::Output {
    let deadline = at().map_or(deadline, |outer| outer.min(deadline));
    DEADLINE.scope(deadline, call).await
}

/// When the call at hand must have been answered; `None` if it has no deadline.
pub fn at() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

/// How much time the call at hand has left, down to zero; `None` if it has no deadline.
pub fn remaining() -> Option<Duration> {
    at().map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earlier_deadline_holds() {
        let now = Instant::now();
        let seen = scope(now + Duration::from_secs(2), async {
            scope(now + Duration::from_secs(9), async {
                tokio::time::advance(Duration::from_millis(500)).await;
                remaining()
            })
            .await
        });
        assert_eq!(seen.await, Some(Duration::from_millis(1500)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_leaves_nothing() {
        let now = Instant::now();
        let seen = scope(now, async {
            tokio::time::advance(Duration::from_secs(1)).await;
            remaining()
        });
        assert_eq!(seen.await, Some(Duration::ZERO));
        assert_eq!(remaining(), None);
    }
}
