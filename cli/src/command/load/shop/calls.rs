//! The calls of a run: so many at a time, repeated while a server is away, and with every position kept.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use prost_reflect::DynamicMessage;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Semaphore, SetOnce},
    time::sleep,
};
use tonic::{Code, Request, Status};
use tributary_chassis::position::Positions;

use super::{
    display::Display,
    methods::{Methods, WATCH_ORDER},
    reply::{self, Order},
};
use crate::{
    command::load::pace::{Audience as _, Pace, is_transient},
    directory::Found,
    dynamic,
    failure::Failure,
};

/// How soon an order is watched again when its server was away, or a shipment looked for that is not there yet.
const AGAIN: Duration = Duration::from_millis(200);

/// All that a run needs to call.
#[derive(Debug)]
pub(super) struct Calls<'a> {
    methods: &'a Methods,
    pace: &'a Pace,
    pub(super) display: &'a Display,
    /// By server: one that is away keeps nobody from calling the others.
    under_way: BTreeMap<String, Semaphore>,
    watched: Semaphore,
    written: RefCell<Positions>,
    made: RefCell<BTreeMap<String, Rc<SetOnce<()>>>>,
}

impl<'a> Calls<'a> {
    /// As many calls of a server at a time, and as many orders watched, as the pace says.
    pub(super) fn new(methods: &'a Methods, pace: &'a Pace, display: &'a Display) -> Self {
        let permits = || Semaphore::new(pace.concurrency.into());
        Self {
            methods,
            pace,
            display,
            under_way: methods.servers().map(|name| (name.to_owned(), permits())).collect(),
            watched: permits(),
            written: RefCell::default(),
            made: RefCell::default(),
        }
    }

    /// Calls, and gives the answer or the refusal.
    pub(super) async fn ask(
        &self,
        path: &'static str,
        request: &Value,
    ) -> Result<Result<DynamicMessage, Status>, Failure> {
        let found = self.methods.of(path)?;
        let message = dynamic::message(&found.method, fields(request))?;
        let _permit = match self.under_way.get(&found.target.name) {
            Some(permits) => Some(permits.acquire().await.map_err(Failure::defect)?),
            None => None,
        };
        match self.pace.call(found, &message, self.display).await {
            Ok(reply) => {
                self.written.borrow_mut().merge_all(&reply.positions);
                Ok(Ok(reply.message))
            }
            Err(status) if is_transient(&status) => Err(self.lost_patience(found, &status)),
            Err(status) => Ok(Err(status)),
        }
    }

    /// Calls what cannot be refused.
    pub(super) async fn must<T: DeserializeOwned>(
        &self,
        path: &'static str,
        request: &Value,
    ) -> Result<T, Failure> {
        let reply = self.ask(path, request).await?.and_then(|message| reply::read(&message));
        let server = &self.methods.of(path)?.target.name;
        reply.map_err(|status| {
            let failure = Failure::call(server, &status);
            match status.code() {
                Code::AlreadyExists => failure.with_advice(
                    "an earlier run of this seed is no longer remembered well enough to be resumed: choose another \
                     --run-id",
                ),
                _ => failure.with_advice(&format!("{path} of {request}")),
            }
        })
    }

    /// The order as soon as it is as it should be; `None` if that does not happen while other orders move, and for
    /// as long as patience lasts beyond that.
    pub(super) async fn watch(
        &self,
        order_id: &str,
        until: impl Fn(&Order) -> bool,
    ) -> Result<Option<Order>, Failure> {
        let found = self.methods.of(WATCH_ORDER)?;
        let message = dynamic::message(&found.method, fields(&json!({ "order_id": order_id })))?;
        let began = Instant::now();
        loop {
            // Held also while a server is away: so many try it, not all that wait.
            let permit = self.watched.acquire().await.map_err(Failure::defect)?;
            match self.follow(found, message.clone(), &until).await {
                Ok(Some(order)) => return Ok(Some(order)),
                Ok(None) => {}
                Err(status) if is_transient(&status) => {
                    self.display.waits_for(&found.target.name, &status);
                }
                Err(status) => return Err(Failure::call(&found.target.name, &status)),
            }
            sleep(AGAIN).await;
            drop(permit);
            if !self.is_patient(began) {
                return Ok(None);
            }
        }
    }

    /// One stream of the order's states; `None` when its time is up, so that others get their turn.
    async fn follow(
        &self,
        found: &Found,
        message: DynamicMessage,
        until: impl Fn(&Order) -> bool,
    ) -> Result<Option<Order>, Status> {
        let mut request = Request::new(vec![message]);
        request.set_timeout(self.pace.timeout);
        let watch = async {
            let mut states =
                dynamic::call(found.target.channel.clone(), &found.method, request).await?.into_inner();
            while let Some(message) = states.message().await? {
                self.display.answered();
                let order: Order = reply::read(&message)?;
                self.display.board.borrow_mut().note(&order);
                if until(&order) || order.state.is_final() {
                    return Ok::<_, Status>(Some(order));
                }
            }
            Ok(None)
        };
        match tokio::time::timeout(self.pace.timeout, watch).await {
            Ok(Err(status)) if status.code() == Code::DeadlineExceeded => Ok(None),
            Ok(outcome) => outcome,
            Err(_) => Ok(None),
        }
    }

    /// What is looked for, as soon as it is there: NOT_FOUND is a "not yet" here. `None` when patience ends.
    pub(super) async fn once_there(
        &self,
        path: &'static str,
        request: &Value,
    ) -> Result<Option<Result<DynamicMessage, Status>>, Failure> {
        let began = Instant::now();
        loop {
            match self.ask(path, request).await? {
                Err(status) if status.code() == Code::NotFound => {
                    if !self.is_patient(began) {
                        return Ok(None);
                    }
                    sleep(AGAIN).await;
                }
                answer => return Ok(Some(answer)),
            }
        }
    }

    /// Something moves, or is not waited for that long.
    fn is_patient(&self, since: Instant) -> bool {
        let still = self.display.board.borrow().stands_still();
        since.elapsed().min(still) < self.pace.patience
    }

    /// A customer or product is there: whoever waits to name it may.
    pub(super) fn made(&self, id: &str) -> Result<(), Failure> {
        self.gate(id).set(()).map_err(Failure::defect)
    }

    /// Waits until it is there.
    pub(super) async fn wait_for(&self, id: &str) {
        self.gate(id).wait().await;
    }

    fn gate(&self, id: &str) -> Rc<SetOnce<()>> {
        Rc::clone(self.made.borrow_mut().entry(id.to_owned()).or_default())
    }

    /// What has to be waited for to see all that was answered.
    pub(super) fn written(&self) -> Positions {
        self.written.borrow().clone()
    }

    fn lost_patience(&self, found: &Found, status: &Status) -> Failure {
        Failure::call(&found.target.name, status).with_advice(&format!(
            "{} was repeated for {:?} (--patience)",
            found.path(),
            self.pace.patience
        ))
    }
}

fn fields(request: &Value) -> Map<String, Value> {
    request.as_object().cloned().unwrap_or_default()
}
