//! Goes over the unfinished orders again and again: to find those that nobody works on, and to count them all.
//!
//! At the start all of them are found so, since that is all that a crash leaves of a saga; later those that a
//! wake-up was lost for, be it that more were written than there was room for.

use std::time::Duration;

use futures::{Stream, TryStreamExt as _, stream};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep},
};
use tributary_chassis::{
    fault::{Fault, causes},
    outbox::{Outbox, Stored},
    timestamp,
};

use super::metrics::{Census, Metrics};
use crate::{
    domain::{Order, Orders, saga::first},
    store::UNFINISHED,
};

/// From one sweep to the next, at least.
const INTERVAL: Duration = Duration::from_secs(2);
/// A pause is so many times as long as what was read before it took: when very many orders wait for a service that
/// is away, to look at them must not be what the process is busy with.
const PAUSE: u32 = 9;
/// Orders read at once.
const PAGE: usize = 64;

/// Finds every unfinished order that has a step to be taken, again and again.
pub(super) struct Search {
    outbox: Outbox<Orders>,
    found: mpsc::Sender<String>,
}

impl Search {
    pub(super) fn new(outbox: Outbox<Orders>, found: mpsc::Sender<String>) -> Self {
        Self { outbox, found }
    }

    /// Never ends. Waiting for room is a pause too: a backlog is read as fast as it is worked off, and what of it is
    /// left behind the pass is looked for at once.
    pub(super) async fn run(self) {
        loop {
            let begin = Instant::now();
            let waited = match self.pass().await {
                Ok(waited) => waited,
                Err(fault) => {
                    tracing::warn!(error = causes(&fault), "looking for unfinished orders");
                    Duration::ZERO
                }
            };
            let reading = begin.elapsed().saturating_sub(waited);
            sleep(INTERVAL.max((reading * PAUSE).saturating_sub(waited))).await;
        }
    }

    /// Hands on each order once, as there is room for it, and tells how long there was none.
    async fn pass(&self) -> Result<Duration, Fault> {
        let mut unfinished = std::pin::pin!(unfinished(&self.outbox));
        let mut waited = Duration::ZERO;
        while let Some((order_id, stored)) = unfinished.try_next().await? {
            // Not one that waits for its shipment, of which there may be many, for long.
            if first(&stored.state).is_none() {
                continue;
            }
            if let Err(TrySendError::Full(order_id)) = self.found.try_send(order_id) {
                let full = Instant::now();
                // Whoever works on them ends together with this.
                let _ended = self.found.send(order_id).await;
                waited += full.elapsed();
            }
        }
        Ok(waited)
    }
}

/// Counts the unfinished orders, again and again, for those who watch. Never ends.
pub(super) async fn count(outbox: Outbox<Orders>, stuck_after: Duration) {
    let metrics = Metrics::new();
    loop {
        let begin = Instant::now();
        match census(&outbox, stuck_after).await {
            Ok(census) => metrics.tell(&census),
            Err(fault) => tracing::warn!(error = causes(&fault), "counting unfinished orders"),
        }
        sleep(INTERVAL.max(begin.elapsed() * PAUSE)).await;
    }
}

async fn census(outbox: &Outbox<Orders>, stuck_after: Duration) -> Result<Census, Fault> {
    let mut census = Census::new(timestamp::now(), stuck_after);
    let mut unfinished = std::pin::pin!(unfinished(outbox));
    while let Some((_, stored)) = unfinished.try_next().await? {
        census.count(&stored);
    }
    Ok(census)
}

/// In order of their ids; each page as it is when it is read.
fn unfinished(outbox: &Outbox<Orders>) -> impl Stream<Item = Result<(String, Stored<Order>), Fault>> {
    stream::try_unfold(Some(String::new()), move |after| async move {
        let Some(after) = after else { return Ok::<_, Fault>(None) };
        let page = outbox.list(UNFINISHED, Some(&after), PAGE).await?;
        let last = page.last().filter(|_| page.len() == PAGE).map(|(order_id, _)| order_id.clone());
        Ok(Some((stream::iter(page.into_iter().map(Ok::<_, Fault>)), last)))
    })
    .try_flatten()
}

#[cfg(test)]
mod tests;
