//! Who follows the feed, and through where each has it: what lag is measured by.
//!
//! In memory: a service that starts anew knows a consumer again when it subscribes. A consumer that is gone stays
//! known, since that is the one whose lag matters.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::Notify, time::sleep};

use super::Log;
use crate::fault::{Fault, Reason};

/// So many are known at most: names come from outside, and each is a label of metrics.
pub(super) const MOST_CONSUMERS: usize = 64;

/// Between two looks for what those wait for that are behind: lag is shown in seconds.
const PAUSE: Duration = Duration::from_millis(100);

/// Clones are the same.
#[derive(Clone)]
pub(super) struct Consumers(Arc<Shared>);

pub(super) struct Shared {
    log: Arc<dyn Log>,
    known: Mutex<BTreeMap<String, Consumer>>,
    /// Told when one of them has moved.
    moved: Notify,
}

#[derive(Debug)]
struct Consumer {
    /// It has everything through here; not known before its first snapshot ended.
    through: Option<u64>,
    /// Whether it says itself how far it is. For one that does not, what was handed on counts.
    acknowledges: bool,
    subscriptions: usize,
    last_seen: Instant,
    waits: Option<Waits>,
}

/// What a consumer that is behind waits for.
#[derive(Clone, Copy, Debug)]
struct Waits {
    after: u64,
    /// When the change behind that was committed.
    since: SystemTime,
}

/// How far behind a consumer is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lag {
    pub(super) consumer: String,
    pub(super) connected: bool,
    /// Changes that it does not have, and since when the first of them was there. Nothing is known of that during its
    /// first snapshot.
    pub(super) behind: Option<(u64, Duration)>,
}

impl Consumers {
    /// Of the feed of `log`; inside of the runtime.
    pub(super) fn new(log: Arc<dyn Log>) -> Self {
        Self(Arc::new(Shared { log, known: Mutex::default(), moved: Notify::new() }))
    }

    /// What metrics ask.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// One subscribed, and has everything through a position if it began behind one. Who gives no name is not
    /// known, nor is one too many.
    pub(super) fn subscribed(&self, name: &str, through: Option<u64>) -> Subscribed {
        let mut known = self.0.known();
        let is_new = !known.contains_key(name);
        if name.is_empty() || is_new && known.len() >= MOST_CONSUMERS && !make_room(&mut known) {
            return Subscribed(None);
        }
        let consumer = known.entry(name.to_owned()).or_insert_with(|| Consumer {
            through: None,
            acknowledges: false,
            subscriptions: 0,
            last_seen: Instant::now(),
            waits: None,
        });
        consumer.subscriptions += 1;
        consumer.through = through.or(consumer.through);
        drop(known);
        self.0.moved.notify_one();
        Subscribed(Some((self.0.clone(), name.to_owned())))
    }

    /// One says that it has everything through a position.
    pub(super) fn acknowledged(&self, name: &str, through: u64) -> Result<(), Fault> {
        let mut known = self.0.known();
        let Some(consumer) = known.get_mut(name) else {
            let service = self.0.log.service();
            let text =
                format!("nobody called `{name}` has subscribed to {service} since it started: do that first");
            return Err(Fault::new(Reason::NotFound, text));
        };
        consumer.acknowledges = true;
        self.0.reached(consumer, through);
        Ok(())
    }

    /// Finds out since when those wait that are behind, as often as that may have changed; for as long as the feed is
    /// served.
    pub(super) async fn watch(self) {
        let mut head = self.0.log.head();
        loop {
            self.0.look().await;
            sleep(PAUSE).await;
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = self.0.moved.notified() => {}
            }
        }
    }
}

/// Forgets who left the longest ago.
fn make_room(known: &mut BTreeMap<String, Consumer>) -> bool {
    let left = known.iter().filter(|(_, consumer)| consumer.subscriptions == 0);
    let oldest = left.min_by_key(|(_, consumer)| consumer.last_seen).map(|(name, _)| name.clone());
    oldest.is_some_and(|name| known.remove(&name).is_some())
}

impl Shared {
    /// Whole between any two statements, so a panic elsewhere cannot have torn it.
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Consumer>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last durable position.
    pub(super) fn head(&self) -> u64 {
        self.log.head().borrow().sequence
    }

    fn reached(&self, consumer: &mut Consumer, through: u64) {
        consumer.last_seen = Instant::now();
        if consumer.through != Some(through) {
            consumer.through = Some(through);
            if through >= self.head() {
                consumer.waits = None;
            }
            self.moved.notify_one();
        }
    }

    /// How far behind each is now.
    pub(super) fn lags(&self) -> Vec<Lag> {
        let head = self.head();
        let lag = |(name, consumer): (&String, &Consumer)| {
            let behind = consumer.through.map(|through| match head.saturating_sub(through) {
                0 => (0, Duration::ZERO),
                changes => {
                    let since = consumer.waits.map(|waits| waits.since);
                    (changes, since.and_then(|since| since.elapsed().ok()).unwrap_or_default())
                }
            });
            Lag { consumer: name.clone(), connected: consumer.subscriptions > 0, behind }
        };
        self.known().iter().map(lag).collect()
    }

    async fn look(&self) {
        let head = self.head();
        let behind: Vec<_> = {
            let known = self.known();
            let new = |consumer: &Consumer| {
                let through = consumer.through.filter(|&through| through < head)?;
                consumer.waits.is_none_or(|waits| waits.after != through).then_some(through)
            };
            known.iter().filter_map(|(name, consumer)| Some((name.clone(), new(consumer)?))).collect()
        };
        for (name, after) in behind {
            let since = match self.committed_behind(after).await {
                Ok(since) => since,
                Err(fault) => {
                    tracing::warn!(consumer = name, after, %fault, "cannot tell since when it waits");
                    continue;
                }
            };
            if let Some(consumer) = self.known().get_mut(&name)
                && consumer.through == Some(after)
            {
                consumer.waits = since.map(|since| Waits { after, since });
            }
        }
    }

    /// When the change behind `after` was committed. Of one that is not kept any more: when the first was that is.
    async fn committed_behind(&self, after: u64) -> Result<Option<SystemTime>, Fault> {
        let page = match self.log.page(after, 1).await {
            Err(fault) if fault.reason() == Reason::PositionExpired => {
                self.log.page(self.log.oldest().await?.sequence, 1).await?
            }
            page => page?,
        };
        let time = page.first().and_then(|record| record.change.commit_time);
        Ok(time.and_then(|time| SystemTime::try_from(time).ok()))
    }
}

/// A consumer that is connected, until this is dropped.
pub(super) struct Subscribed(Option<(Arc<Shared>, String)>);

impl Subscribed {
    /// Everything through here was certainly taken.
    pub(super) fn taken(&self, through: u64) {
        self.change(|shared, consumer| {
            if !consumer.acknowledges {
                shared.reached(consumer, through);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&Shared, &mut Consumer)) {
        let Some((shared, name)) = &self.0 else { return };
        if let Some(consumer) = shared.known().get_mut(name) {
            change(shared, consumer);
        }
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.change(|_, consumer| {
            consumer.subscriptions -= 1;
            consumer.last_seen = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests;
