//! Finds unfinished orders: at the start all of them, since that is all that a crash leaves of a saga, and
//! later those that a wake-up was lost for. Counts them on the way.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tributary_chassis::{
    fault::{Fault, causes},
    outbox::Outbox,
    timestamp,
};

use super::metrics::{Census, Metrics};
use crate::{
    domain::{Orders, saga::first},
    store::UNFINISHED,
};

/// From one sweep to the next, at least.
const INTERVAL: Duration = Duration::from_secs(2);
/// A pause is so many times as long as the sweep before it: when very many orders wait for a service that is
/// away, to look at them must not be what the process is busy with.
const PAUSE: u32 = 9;
/// Orders read at once.
const PAGE: usize = 64;

/// Goes over the unfinished orders again and again.
pub(super) struct Sweep {
    outbox: Outbox<Orders>,
    stuck_after: Duration,
    found: mpsc::Sender<String>,
    /// Through where orders were handed on. When there is no room for all, the next sweep goes on behind it, so
    /// that each has its turn.
    through: Option<String>,
    metrics: Metrics,
}

impl Sweep {
    pub(super) fn new(outbox: Outbox<Orders>, stuck_after: Duration, found: mpsc::Sender<String>) -> Self {
        Self { outbox, stuck_after, found, through: None, metrics: Metrics::new() }
    }

    /// Never ends.
    pub(super) async fn run(mut self) {
        loop {
            let begin = Instant::now();
            if let Err(fault) = self.sweep().await {
                tracing::warn!(error = causes(&fault), "looking for unfinished orders");
            }
            sleep(INTERVAL.max(begin.elapsed() * PAUSE)).await;
        }
    }

    /// Counts all; hands on as many as there is room for.
    async fn sweep(&mut self) -> Result<(), Fault> {
        let mut census = Census::new(timestamp::now(), self.stuck_after);
        let mut room = true;
        let mut after: Option<String> = None;
        loop {
            let page = self.outbox.list(UNFINISHED, after.as_deref(), PAGE).await?;
            let is_end = page.len() < PAGE;
            for (order_id, stored) in page {
                census.count(&stored);
                let in_turn = self.through.as_ref().is_none_or(|through| order_id > *through);
                // Not one that waits for its shipment, of which there may be many, for long.
                if room && in_turn && first(&stored.state).is_some() {
                    match self.found.try_send(order_id.clone()) {
                        Ok(()) => self.through = Some(order_id.clone()),
                        Err(_) => room = false,
                    }
                }
                after = Some(order_id);
            }
            if is_end {
                break;
            }
        }
        if room {
            self.through = None;
        }
        self.metrics.tell(&census);
        Ok(())
    }
}
