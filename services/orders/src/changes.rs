//! Tells who waits for an order that it was written, whoever wrote it: by reading the service's own feed as
//! others do, so that nobody who writes has to think of who waits.
//!
//! A wake-up carries nothing: whoever is woken reads the order as it is then. One that is lost costs time,
//! and never a change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message as _;
use shop_proto::orders::v1::{Order, OrderState};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tributary_chassis::{
    fault::{Fault, Reason, causes},
    feed::{Log, Record},
};

/// Read at once.
const PAGE_BYTES: usize = 256 * 1024;
/// After a failure, before the feed is read again.
const RETRY: Duration = Duration::from_secs(1);

/// Who waits for which order.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    waiting: Mutex<HashMap<String, watch::Sender<()>>>,
}

impl Changes {
    /// Hears of every write of the order from now on.
    pub(crate) fn of(self: &Arc<Self>, order_id: &str) -> Waiter {
        let mut waiting = self.waiting();
        let sender = waiting.entry(order_id.to_owned()).or_insert_with(|| watch::Sender::new(()));
        Waiter { changed: sender.subscribe(), order_id: order_id.to_owned(), changes: Arc::clone(self) }
    }

    fn tell(&self, order_id: &str) {
        if let Some(sender) = self.waiting().get(order_id) {
            sender.send_replace(());
        }
    }

    fn tell_all(&self) {
        for sender in self.waiting().values() {
            sender.send_replace(());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        // Each change of the map is one call: it is whole even when a holder panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for an order to be written.
#[derive(Debug)]
pub(crate) struct Waiter {
    changed: watch::Receiver<()>,
    order_id: String,
    changes: Arc<Changes>,
}

impl Waiter {
    /// Resolves when the order was written since the last time, or may have been.
    pub(crate) async fn changed(&mut self) {
        // The sender stays as long as somebody waits: this does not fail.
        let _ = self.changed.changed().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.changes.waiting();
        // The last one leaves nothing behind.
        if waiting.get(&self.order_id).is_some_and(|sender| sender.receiver_count() == 1) {
            waiting.remove(&self.order_id);
        }
    }
}

/// Reads the feed from where it ends when this is called: tells who waits, and names to `unfinished` each order
/// that a saga may have to go on with. Ends with `shutdown`.
pub(crate) fn follow(
    log: Arc<dyn Log>,
    changes: Arc<Changes>,
    unfinished: mpsc::Sender<String>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> {
    let mut head = log.head();
    let mut at = head.borrow_and_update().sequence;
    let following = async move {
        loop {
            match log.page(at, PAGE_BYTES).await {
                Ok(page) if page.is_empty() => {
                    // The sender is in the log that we hold: this does not fail.
                    let _ = head.changed().await;
                }
                Ok(page) => {
                    for record in &page {
                        at = record.change.sequence;
                        tell(record, &changes, &unfinished);
                    }
                }
                Err(fault) => {
                    at = behind(&fault, at, head.borrow_and_update().sequence);
                    changes.tell_all();
                    sleep(RETRY).await;
                }
            }
        }
    };
    async move {
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = following => (),
        }
    }
}

/// Where to go on after a failure: further on, if what comes next is not kept any more.
fn behind(fault: &Fault, at: u64, head: u64) -> u64 {
    if fault.reason() == Reason::PositionExpired {
        return head;
    }
    tracing::warn!(error = causes(fault), "reading the own feed");
    at
}

fn tell(record: &Record, changes: &Changes, unfinished: &mpsc::Sender<String>) {
    let value = record.change.value.as_ref().map(|any| Order::decode(any.value.as_slice()));
    let Some(Ok(order)) = value else {
        tracing::error!(sequence = record.change.sequence, "the own feed holds what is no order");
        return;
    };
    changes.tell(&order.order_id);
    if matches!(order.state(), OrderState::Placed | OrderState::Cancelling) {
        // When too many are waiting already, this one is found by the sweep.
        let _ = unfinished.try_send(order.order_id);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn who_waits_hears_of_its_order_alone() {
        let changes = Arc::new(Changes::default());
        let (mut one, mut other) = (changes.of("o-1"), changes.of("o-1"));
        changes.tell("o-2");
        assert!(timeout(SOON, one.changed()).await.is_err());
        changes.tell("o-1");
        changes.tell("o-1");
        timeout(SOON, one.changed()).await.unwrap();
        timeout(SOON, other.changed()).await.unwrap();
        assert!(timeout(SOON, one.changed()).await.is_err(), "of two writes one wake-up is left");
        changes.tell_all();
        timeout(SOON, one.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn the_last_who_waits_leaves_nothing_behind() {
        let changes = Arc::new(Changes::default());
        let (one, other) = (changes.of("o-1"), changes.of("o-1"));
        drop(one);
        assert_eq!(changes.waiting().len(), 1);
        drop(other);
        assert!(changes.waiting().is_empty());
    }
}
