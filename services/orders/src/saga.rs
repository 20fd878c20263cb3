//! Brings every order to its end: runs the steps that [`crate::domain::saga`] chooses.
//!
//! ```text
//! feed of our own -> written orders --+
//! sweep over unfinished orders -------+-> schedule -> one task per order -> inventory, payments, own row
//! attempts that are due --------------+
//! ```
//!
//! Crash: nothing is kept but the orders themselves. At its start, and again and again, a sweep finds every
//! order that is unfinished, and each begins with the first step of its direction; a step that was done is
//! answered with what it did. A process that dies, or stops, in the middle of a step leaves an outcome that
//! nobody knows, as a call that times out does: either is repeated under the same request id until it is
//! answered, and never guessed.
//!
//! Bounds: so many orders are worked on at once, each by one task. An order whose step gets no answer makes
//! room for others until its next attempt, which is later the more attempts were in vain.

pub(crate) mod hooks;
mod metrics;
mod schedule;
mod spans;
mod sweep;
mod turn;

use std::{future::pending, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tributary_chassis::outbox::Outbox;

use self::{
    hooks::Hooks,
    schedule::{End, Schedule, Start},
    sweep::Search,
    turn::Turn,
};
use crate::{domain::Orders, upstream::Partners};

/// Orders that are worked on at once.
const PLACES: usize = 64;
/// Orders that were written, and wait to be worked on; more are found by the sweep.
pub(crate) const WRITTEN: usize = 1_024;
/// Orders that the sweep has found, and that wait to be worked on.
const FOUND: usize = 256;

/// What the saga works with.
#[derive(Clone, Debug)]
pub(crate) struct Saga {
    /// The orders.
    pub outbox: Outbox<Orders>,
    /// Who is asked.
    pub partners: Partners,
    /// An order that has not moved for longer is counted as stuck.
    pub stuck_after: Duration,
    /// For tests.
    pub hooks: Hooks,
}

/// Works on every unfinished order until `shutdown`, whenever it is this process that leads. Orders come from `written`,
/// and from a sweep.
///
/// Two processes that believe so at the same time do no harm: steps have the same request ids, and whatever they write is
/// decided on the order as it is then.
pub(crate) async fn run(saga: Saga, mut written: mpsc::Receiver<String>, shutdown: CancellationToken) {
    let mut leads = saga.outbox.leads();
    let working = async {
        loop {
            // The sender is in the outbox that we hold: these do not fail.
            tokio::select! {
                _ = leads.wait_for(|leads| *leads) => {}
                () = forget(&mut written) => {}
            }
            tokio::select! {
                () = work(saga.clone(), &mut written) => {}
                _ = leads.wait_for(|leads| !leads) => {}
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = working => (),
    }
}

/// What was written while others lead is theirs. Never ends.
async fn forget(written: &mut mpsc::Receiver<String>) {
    while written.recv().await.is_some() {}
    pending().await
}

/// Never ends.
async fn work(saga: Saga, written: &mut mpsc::Receiver<String>) {
    let (found, finds) = mpsc::channel(FOUND);
    let search = Search::new(saga.outbox.clone(), found);
    let count = sweep::count(saga.outbox.clone(), saga.stuck_after);
    let turn = Turn { outbox: saga.outbox, partners: saga.partners, hooks: saga.hooks };
    let runner = Runner { turn: Arc::new(turn), schedule: Schedule::new(PLACES), tasks: JoinSet::new() };
    tokio::select! {
        () = search.run() => (),
        () = count => (),
        () = runner.run(written, finds) => (),
    }
}

struct Runner {
    turn: Arc<Turn>,
    schedule: Schedule,
    /// Aborted when this is dropped: a step that is cut off is one with an unknown outcome.
    tasks: JoinSet<(String, End)>,
}

impl Runner {
    /// Never ends.
    async fn run(mut self, written: &mut mpsc::Receiver<String>, mut found: mpsc::Receiver<String>) {
        loop {
            let room = self.schedule.has_room();
            let due = self.schedule.next_due();
            let start = tokio::select! {
                // Not one of them panics: see below.
                Some(Ok((order_id, end))) = self.tasks.join_next() => {
                    self.schedule.ended(order_id, end, Instant::now(), rand::random())
                }
                Some(order_id) = written.recv(), if room => self.schedule.written(order_id),
                Some(order_id) = found.recv(), if room => self.schedule.found(order_id),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if room && due.is_some() => {
                    self.schedule.due(Instant::now())
                }
            };
            if let Some(start) = start {
                self.begin(start);
            }
        }
    }

    fn begin(&mut self, Start { order_id, step }: Start) {
        let turn = Arc::clone(&self.turn);
        self.tasks.spawn(async move {
            // A defect that one order meets must not take the others down with it.
            let end = AssertUnwindSafe(turn.run(&order_id, step.clone())).catch_unwind().await;
            (order_id, end.unwrap_or(End::Unanswered { step, progress: false }))
        });
    }
}
