//! How far the writer is: what may be shown, and whether it still runs.
//!
//! Groups are counted, not changes: a group may write nothing but a reply. A reader looks first and then
//! waits until every group that it may have seen is durable, so that nobody is shown what a crash could
//! still take back.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::{
    fault::{Fault, Reason},
    feed::Mark,
};

#[derive(Debug)]
pub(super) struct Progress {
    /// The last group that readers may see something of.
    visible: AtomicU64,
    /// The last group that cannot be taken back any more, whether durable or rolled back.
    settled: watch::Sender<u64>,
    head: watch::Sender<Mark>,
    /// Whether this process does what is to be done once, of all that share the store.
    leads: watch::Sender<bool>,
    life: watch::Sender<Life>,
}

/// Whether there is a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// There is.
    Running,
    /// It was closed in order.
    Closed,
    /// It stopped by itself, and the process must exit.
    Failed,
}

impl Progress {
    pub(super) fn new(head: Mark) -> Self {
        Self {
            visible: AtomicU64::new(0),
            settled: watch::Sender::new(0),
            head: watch::Sender::new(head),
            leads: watch::Sender::new(false),
            life: watch::Sender::new(Life::Running),
        }
    }

    /// From now on readers may see something of one more group.
    pub(super) fn expose(&self) {
        self.visible.fetch_add(1, Ordering::SeqCst);
    }

    /// What was exposed is durable or gone.
    pub(super) fn settle(&self) {
        self.settled.send_replace(self.visible.load(Ordering::SeqCst));
    }

    /// Moves the durable head, and wakes who waits for it. Never back: who shares the store may have been faster.
    pub(super) fn publish(&self, head: Mark) {
        self.head.send_if_modified(|known| {
            let moves = head.sequence > known.sequence;
            if moves {
                *known = head;
            }
            moves
        });
    }

    pub(super) fn lead(&self, leads: bool) {
        self.leads.send_if_modified(|known| std::mem::replace(known, leads) != leads);
    }

    pub(super) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    pub(super) fn head(&self) -> watch::Receiver<Mark> {
        self.head.subscribe()
    }

    pub(super) fn end(&self, life: Life) {
        self.life.send_if_modified(|now| {
            let first = *now == Life::Running;
            if first {
                *now = life;
            }
            first
        });
    }

    /// Resolves once everything that could be seen when it was called is durable or gone.
    pub(super) async fn durable(&self) -> Result<(), Fault> {
        let seen = self.visible.load(Ordering::SeqCst);
        let mut settled = self.settled.subscribe();
        let mut life = self.life.subscribe();
        tokio::select! {
            biased;
            // The senders live as long as `self`: neither wait ends by their loss.
            _ = life.wait_for(|life| *life != Life::Running) => Err(unavailable()),
            _ = settled.wait_for(|settled| *settled >= seen) => Ok(()),
        }
    }

    /// Resolves once the writer stopped by itself.
    pub(super) async fn failed(&self) {
        let failed = self.life.subscribe().wait_for(|life| *life == Life::Failed).await.is_ok();
        if !failed {
            std::future::pending::<()>().await;
        }
    }
}

/// There is no writer any more.
pub(super) fn unavailable() -> Fault {
    Fault::new(Reason::Unavailable, "the store is closed: try again when the service is back")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn a_reader_waits_for_what_it_may_have_seen_and_no_longer() {
        let progress = Progress::new(Mark::default());
        progress.durable().await.unwrap();
        progress.expose();
        assert!(timeout(SOON, progress.durable()).await.is_err());
        let waiting = progress.durable();
        progress.settle();
        progress.expose();
        timeout(SOON, waiting).await.expect_err("polled first after the second group was exposed");
        progress.settle();
        progress.durable().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_writer_that_is_gone() {
        let progress = Progress::new(Mark::default());
        progress.expose();
        assert!(timeout(SOON, progress.failed()).await.is_err());
        progress.end(Life::Failed);
        progress.end(Life::Closed);
        progress.failed().await;
        assert_eq!(progress.durable().await.unwrap_err().reason(), Reason::Unavailable);
    }
}
