//! Waiting for conditions: never for luck, never without an end.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

/// How long anything may take that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is `Ok`, and panics with the last `Err` when patience is at its end.
pub async fn until<T, E, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(why) if Instant::now() > end => panic!("waited {PATIENCE:?} in vain until {what}: {why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
