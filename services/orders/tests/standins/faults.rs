//! What happens to a call on its way to a service and back.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{mpsc, oneshot};
use tonic::{Response, Status};

/// Before or after the call has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    Before,
    After,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It fails at once.
    Fails(When),
    /// It is never answered.
    Silent(When),
    /// It comes twice.
    Twice,
    /// It is never answered, and has its effect when all else is over.
    Late,
    /// A caller cancels the order; then the call goes on.
    Cancel(When),
    /// The orders service dies, and starts again on the same store.
    Kill(When),
}

/// What somebody outside must do, and say when it is done.
#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) order_id: String,
    pub(crate) fault: Fault,
    pub(crate) done: oneshot::Sender<()>,
}

/// A call as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) step: &'static str,
    pub(crate) order_id: String,
    pub(crate) request_id: String,
}

/// What is planned and what has happened. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By order and step; each happens to one call, in this order.
    planned: Mutex<BTreeMap<(String, &'static str), VecDeque<Fault>>>,
    seen: Mutex<Vec<Seen>>,
    late: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    outside: Mutex<Option<mpsc::UnboundedSender<Action>>>,
    away: AtomicBool,
}

impl Faults {
    /// The next call of this step of this order meets this, after what was planned before.
    pub(crate) fn plan(&self, order_id: &str, step: &'static str, fault: Fault) {
        let mut planned = self.0.planned.lock().unwrap();
        planned.entry((order_id.to_owned(), step)).or_default().push_back(fault);
    }

    /// What was planned and did not happen.
    pub(crate) fn left(&self) -> Vec<String> {
        let planned = self.0.planned.lock().unwrap();
        let left = planned.iter().filter(|(_, faults)| !faults.is_empty());
        left.map(|((order_id, step), faults)| format!("{order_id} {step}: {faults:?}")).collect()
    }

    /// All calls, in the order in which they arrived.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }

    /// Every call fails at once, until it does not.
    pub(crate) fn set_away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }

    /// Who does what has to be done outside.
    pub(crate) fn actions(&self) -> mpsc::UnboundedReceiver<Action> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.outside.lock().unwrap() = Some(sender);
        receiver
    }

    /// What was held back has its effect now; gives how many calls that were.
    pub(crate) fn deliver_late(&self) -> usize {
        let late = std::mem::take(&mut *self.0.late.lock().unwrap());
        let count = late.len();
        late.into_iter().for_each(|effect| effect());
        count
    }

    /// The next fault of a step, which happens now.
    pub(crate) fn take(&self, order_id: &str, step: &'static str) -> Option<Fault> {
        self.0.planned.lock().unwrap().get_mut(&(order_id.to_owned(), step))?.pop_front()
    }

    /// A call, with whatever is to happen to it, which happens even when the caller has gone.
    pub(super) async fn around<R: Send + 'static>(
        &self,
        step: &'static str,
        order_id: String,
        request_id: String,
        effect: impl Fn() -> Result<R, Status> + Send + Sync + 'static,
    ) -> Result<Response<R>, Status> {
        let faults = self.clone();
        let call = async move { faults.happen(step, order_id, request_id, effect).await };
        tokio::spawn(call).await.expect("a model does not panic")
    }

    /// A cancellation before the call does not use it up: what is planned behind one happens to the same.
    async fn happen<R: Send + 'static>(
        &self,
        step: &'static str,
        order_id: String,
        request_id: String,
        effect: impl Fn() -> Result<R, Status> + Send + Sync + 'static,
    ) -> Result<Response<R>, Status> {
        self.0.seen.lock().unwrap().push(Seen { step, order_id: order_id.clone(), request_id });
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let mut fault = self.take(&order_id, step);
        if fault == Some(Fault::Cancel(When::Before)) {
            self.outside(&order_id, Fault::Cancel(When::Before)).await;
            fault = self.take(&order_id, step);
        }
        let reply = match fault {
            None => effect(),
            Some(Fault::Fails(When::Before)) => Err(Status::unavailable("as told")),
            Some(Fault::Fails(When::After)) => {
                let _nobody_hears = effect();
                Err(Status::unknown("as told"))
            }
            Some(Fault::Silent(When::Before)) => pending().await,
            Some(Fault::Silent(When::After)) => {
                let _nobody_hears = effect();
                pending().await
            }
            Some(Fault::Twice) => {
                let _first = effect();
                effect()
            }
            Some(Fault::Late) => {
                self.0.late.lock().unwrap().push(Box::new(move || drop(effect())));
                pending().await
            }
            Some(Fault::Kill(When::Before)) => {
                self.outside(&order_id, Fault::Kill(When::Before)).await;
                Err(Status::unavailable("nobody hears this"))
            }
            Some(Fault::Cancel(When::Before)) => unreachable!("one cancellation is enough"),
            Some(after @ (Fault::Cancel(When::After) | Fault::Kill(When::After))) => {
                let reply = effect();
                self.outside(&order_id, after).await;
                reply
            }
        };
        reply.map(Response::new)
    }

    /// The call waits until it is done.
    async fn outside(&self, order_id: &str, fault: Fault) {
        let outside = self.0.outside.lock().unwrap().clone().expect("somebody outside");
        let (done, is_done) = oneshot::channel();
        outside.send(Action { order_id: order_id.to_owned(), fault, done }).expect("somebody outside");
        let _gone = is_done.await;
    }
}
