//! Callers that wait for an order to go on. Whoever waits reads the order when it was written, and holds
//! nothing else: one that does not read costs no more than one that does, and misses what is between.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, stream};
use shop_proto::orders::v1 as proto;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tributary_chassis::{
    deadline,
    fault::{Fault, Reason},
    outbox::{Outbox, Stored},
};

use super::message::message;
use crate::{
    changes::{Changes, Waiter},
    domain::{ORDER, Order, OrderState, Orders},
};

/// Watches at the same time; more are refused.
const MAX_WATCHES: usize = 1_024;
/// When a refused watch may try again: others may have ended by then.
const FULL_RETRY: Duration = Duration::from_secs(1);
/// Kept back of a caller's time for the way home, or half of it where it has less.
const MARGIN: Duration = Duration::from_millis(100);

/// An order, again and again.
pub(super) type Watch = Pin<Box<dyn Stream<Item = Result<proto::Order, Status>> + Send>>;

/// Who waits, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Watches {
    outbox: Outbox<Orders>,
    changes: Arc<Changes>,
    shutdown: CancellationToken,
    places: Arc<Semaphore>,
}

/// One of them.
struct Watching {
    with: Watches,
    order_id: String,
    waiter: Waiter,
    /// To be shown first.
    first: Option<Stored<Order>>,
    /// The position of the write that was shown last.
    shown: u64,
    /// Nothing will follow what was shown last.
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Watches {
    pub(super) fn new(outbox: Outbox<Orders>, changes: Arc<Changes>, shutdown: CancellationToken) -> Self {
        Self { outbox, changes, shutdown, places: Arc::new(Semaphore::new(MAX_WATCHES)) }
    }

    /// The order as soon as it is no longer PLACED; but as it is when the caller's time is nearly up, or when
    /// the service stops. `placed` if it is forgotten: that is what was promised.
    pub(super) async fn settled(&self, placed: proto::Order) -> Result<proto::Order, Fault> {
        let order_id = placed.order_id.clone();
        // Before the order is read: what is written in between is heard.
        let mut waiter = self.changes.of(&order_id);
        let end = deadline::remaining().map(|left| Instant::now() + left - MARGIN.min(left / 2));
        let mut is_over = false;
        loop {
            let Some(stored) = self.outbox.get(&order_id).await? else { return Ok(placed) };
            if is_over || stored.state.state != OrderState::Placed {
                return Ok(message(&order_id, &stored));
            }
            is_over = tokio::select! {
                () = waiter.changed() => false,
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => true,
                () = self.shutdown.cancelled() => true,
            };
        }
    }

    /// The order as it is now, and again whenever it was written.
    pub(super) async fn watch(&self, order_id: String) -> Result<Watch, Fault> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let text = format!("{MAX_WATCHES} orders are being watched, which is the limit: try again later");
            Fault::new(Reason::Overloaded, text).retry_after(FULL_RETRY)
        })?;
        // Before the order is read: what is written in between is heard.
        let waiter = self.changes.of(&order_id);
        let first = ORDER.find(&self.outbox, "order_id", &order_id).await?;
        let watching = Watching {
            with: self.clone(),
            order_id,
            waiter,
            first: Some(first),
            shown: 0,
            is_over: false,
            _place: place,
        };
        Ok(Box::pin(stream::try_unfold(watching, async |mut watching: Watching| {
            let order = watching.next().await?;
            Ok(order.map(|order| (order, watching)))
        })))
    }
}

impl Watching {
    async fn next(&mut self) -> Result<Option<proto::Order>, Fault> {
        if let Some(first) = self.first.take() {
            return Ok(Some(self.show(&first)));
        }
        if self.is_over {
            return Ok(None);
        }
        loop {
            tokio::select! {
                () = self.waiter.changed() => (),
                () = self.with.shutdown.cancelled() => return Err(draining()),
            }
            let stored = self.with.outbox.get(&self.order_id).await?;
            let stored = stored.ok_or_else(|| ORDER.not_found(&self.order_id))?;
            if stored.sequence != self.shown {
                return Ok(Some(self.show(&stored)));
            }
        }
    }

    fn show(&mut self, stored: &Stored<Order>) -> proto::Order {
        self.shown = stored.sequence;
        self.is_over = stored.state.state.is_final();
        message(&self.order_id, stored)
    }
}

fn draining() -> Fault {
    Fault::new(Reason::Draining, "the service is stopping: watch the order again")
}
