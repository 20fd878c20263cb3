//! Work on one order: step after step until it rests, or until a step gets no answer.

use tonic::Status;
use tracing::{Instrument as _, Span};
use tributary_chassis::{
    fault::{Fault, Reason, causes},
    outbox::{Call, Outbox, Stored},
};

use super::{
    hooks::{Hooks, WriteFault},
    schedule::End,
    spans,
};
use crate::{
    domain::{
        Command, Order, Orders, Payment,
        saga::{Step, first, request_id, still},
    },
    upstream::Partners,
};

/// What works on orders.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) outbox: Outbox<Orders>,
    pub(super) partners: Partners,
    pub(super) hooks: Hooks,
}

/// A step is not done, as far as is known: it is to be repeated.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    /// By whom it was asked.
    #[error("{0}")]
    Partner(#[from] Status),
    /// By the own store.
    #[error(transparent)]
    Store(#[from] Fault),
    /// With something that makes no sense.
    #[error("the answer {0} is none that it can have")]
    Senseless(String),
}

impl Turn {
    /// Goes on with `step`, or else from the first. The order is read before each step, since callers may
    /// turn it back at any time.
    pub(super) async fn run(&self, order_id: &str, step: Option<Step>) -> End {
        let (mut next, mut progress) = (step, false);
        let mut turn = None;
        loop {
            let stored = match self.outbox.get(&order_id.to_owned()).await {
                Ok(Some(stored)) => stored,
                Ok(None) => return End::Rests,
                Err(fault) => {
                    tracing::warn!(order_id, error = causes(&fault), "the order cannot be read");
                    return End::Unanswered { step: next, progress };
                }
            };
            let order = &stored.state;
            let Some(step) = next.map_or_else(|| first(order), |step| still(order, step)) else {
                return End::Rests;
            };
            let turn = match &turn {
                Some(turn) => turn,
                None => turn.insert(self.span(order_id, &stored).await),
            };
            match self.take(order_id, &stored, &step).instrument(spans::step(turn, &step)).await {
                Ok(then) => (next, progress) = (then, true),
                Err(error) => {
                    tracing::debug!(order_id, step = step.name(), error = causes(&error), "no answer");
                    match self.hooks.guess(order, &step) {
                        Some(guess) => next = Some(guess),
                        None => return End::Unanswered { step: Some(step), progress },
                    }
                }
            }
        }
    }

    /// Of the turn: in the trace of whoever wrote the order last, the caller or an earlier turn.
    async fn span(&self, order_id: &str, stored: &Stored<Order>) -> Span {
        let trace = self.outbox.trace(stored.sequence).await.unwrap_or_else(|fault| {
            tracing::warn!(order_id, error = causes(&fault), "the trace of the order cannot be read");
            None
        });
        spans::turn(order_id, trace)
    }

    /// Takes a step; gives the one behind it, or `None` when the order as it is now tells.
    async fn take(&self, id: &str, stored: &Stored<Order>, step: &Step) -> Result<Option<Step>, Unanswered> {
        let order = &stored.state;
        let request_id = self.hooks.request_id(request_id(id, stored.create_time, step));
        let Partners { inventory, payments } = &self.partners;
        let answer = match step {
            Step::Reserve => inventory.reserve(request_id, id, &order.lines).await?,
            Step::Commit => inventory.commit(request_id, id).await?,
            Step::Release => inventory.release(request_id, id).await?,
            Step::Authorize { .. } => match &order.payment {
                Payment::Card(token) => payments.authorize(request_id, id, order, token).await?,
                Payment::Invoice => return Ok(None),
            },
            Step::Capture => payments.capture(request_id, id).await?,
            Step::Void => payments.void(request_id, id).await?,
            Step::Refund => payments.refund(request_id, id).await?,
            Step::Confirm => return self.write(Command::Confirm { order_id: id.to_owned() }, step).await,
            Step::GiveUp(cancellation) => {
                let cancellation = cancellation.clone();
                return self.write(Command::GiveUp { order_id: id.to_owned(), cancellation }, step).await;
            }
            Step::Finish => return self.write(Command::Finish { order_id: id.to_owned() }, step).await,
        };
        match step.next(order, &answer) {
            Some(next) => {
                spans::refused(&next);
                Ok(Some(next))
            }
            None => Err(Unanswered::Senseless(format!("{answer:?}"))),
        }
    }

    /// Writes the order's own row. That it has moved on meanwhile is no failure: what to do next is in it.
    async fn write(&self, command: Command, step: &Step) -> Result<Option<Step>, Unanswered> {
        let fault = self.hooks.write(command.order_id(), step.name());
        if fault == WriteFault::Before {
            return Err(Fault::new(Reason::Unavailable, "as told").into());
        }
        let again = (fault == WriteFault::Twice).then(|| command.clone());
        for command in [Some(command), again].into_iter().flatten() {
            match self.outbox.execute(Call::new("Saga", "", &())?, command, |_| ()).await {
                Ok(()) => {}
                Err(fault) if matches!(fault.reason(), Reason::WrongState | Reason::NotFound) => {
                    tracing::debug!(%fault, "not written");
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        match fault {
            WriteFault::After => Err(Fault::new(Reason::OutcomeUnknown, "as told").into()),
            WriteFault::None | WriteFault::Before | WriteFault::Twice => Ok(None),
        }
    }
}
