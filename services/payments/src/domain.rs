//! Payments, and the rules for what may become of them. Pure: no clock, no store, no wire, no processor.
//!
//! Whatever the processor is asked for is a command of its own before ([`Command::Begin`]), and its answer
//! is another one ([`Command::Settle`], or [`Command::Conclude`] where a caller waits for it). Both may
//! come any number of times, in any order with those of others: the stage decides what they still do.

mod charge;
mod stage;

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{Model, States, Write},
    resource::{Kind, Refusal},
};

use crate::error::Rejection;

pub(crate) use charge::{Charge, Money, Token};
pub(crate) use stage::{Admission, Answer, Operation, Stage, State};

/// As callers name it.
pub(crate) const PAYMENT: Kind = Kind("payment");

/// What is kept of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    /// Voided before it was authorized: an authorization that comes late charges nothing.
    Barred,
    /// The processor was asked for it.
    Asked {
        /// What is to be paid.
        charge: Charge,
        /// How far it is.
        stage: Stage,
    },
}

impl Payment {
    /// What others are told.
    pub(crate) fn state(&self) -> State {
        match self {
            Payment::Barred => State::Voided,
            Payment::Asked { stage, .. } => stage.state(),
        }
    }

    /// The charge, with what the processor was asked for and is not known to have answered.
    pub(crate) fn unanswered(&self) -> Option<(&Charge, Operation)> {
        match self {
            Payment::Barred => None,
            Payment::Asked { charge, stage } => Some((charge, stage.unanswered()?)),
        }
    }

    /// Whether an operation may begin on a payment that is there.
    pub(crate) fn admit(&self, operation: Operation) -> Admission {
        match (self, operation) {
            (Payment::Barred, Operation::Void) => Admission::Done,
            (Payment::Barred, _) => Admission::Closed,
            (Payment::Asked { stage, .. }, operation) => stage.admit(operation),
        }
    }
}

/// What a caller wants to become of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// An amount is set aside.
    Authorize(Charge),
    /// It is taken.
    Capture,
    /// It is given up.
    Void,
    /// It is given back.
    Refund,
}

impl Wish {
    /// What the processor is to be asked for.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Wish::Authorize(_) => Operation::Authorize,
            Wish::Capture => Operation::Capture,
            Wish::Void => Operation::Void,
            Wish::Refund => Operation::Refund,
        }
    }
}

/// A step of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A wish is written down, before the processor hears of it.
    Begin {
        /// Which payment.
        payment_id: String,
        /// What a caller wants.
        wish: Wish,
    },
    /// The processor has answered, and no caller waits for it.
    Settle {
        /// Which payment.
        payment_id: String,
        /// What was asked.
        operation: Operation,
        /// What was said.
        answer: Answer,
    },
    /// A caller is told what became of the wish.
    Conclude {
        /// Which payment.
        payment_id: String,
        /// What the caller wanted.
        operation: Operation,
        /// What the processor said, if it had to be asked.
        answer: Option<Answer>,
    },
}

impl Command {
    /// The payment that it is about.
    pub(crate) fn payment_id(&self) -> &String {
        match self {
            Command::Begin { payment_id, .. }
            | Command::Settle { payment_id, .. }
            | Command::Conclude { payment_id, .. } => payment_id,
        }
    }
}

/// The payments, by `payment_id`.
#[derive(Debug)]
pub(crate) struct Payments;

impl Model for Payments {
    type Key = String;
    type State = Payment;
    type Command = Command;
    type Rejection = Rejection;

    fn reads(command: &Command) -> Vec<String> {
        vec![command.payment_id().clone()]
    }

    fn decide(
        command: &Command,
        states: &States<Self>,
        _now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        let id = command.payment_id();
        let current = states.get(id).map(|stored| &stored.state);
        let next = match command {
            Command::Begin { wish, .. } => begin(id, current, wish)?,
            Command::Settle { operation, answer, .. } => settle(current, *operation, answer),
            Command::Conclude { operation, answer, .. } => {
                let settled = answer.as_ref().and_then(|answer| settle(current, *operation, answer));
                let shown = settled.as_ref().or(current).ok_or_else(|| PAYMENT.not_found(id))?;
                told(id, shown, *operation, answer.as_ref())?;
                settled
            }
        };
        let write = |state| Write { key: id.clone(), event: event(&state), state: Some(state) };
        Ok(next.map(write).into_iter().collect())
    }
}

/// The intent that a wish leaves, if the processor has to be asked.
fn begin(id: &str, current: Option<&Payment>, wish: &Wish) -> Result<Option<Payment>, Rejection> {
    let operation = wish.operation();
    match (wish, current) {
        (Wish::Authorize(charge), None) => {
            return Ok(Some(Payment::Asked { charge: charge.clone(), stage: operation.asked() }));
        }
        (Wish::Void, None) => return Ok(Some(Payment::Barred)),
        (Wish::Authorize(wanted), Some(Payment::Asked { charge, .. })) if wanted != charge => {
            return Err(Refusal::AlreadyExists { kind: PAYMENT.0, id: id.to_owned() }.into());
        }
        _ => (),
    }
    let current = current.ok_or_else(|| PAYMENT.not_found(id))?;
    match (current.admit(operation), current) {
        (Admission::Open, Payment::Asked { charge, .. }) => {
            Ok(Some(Payment::Asked { charge: charge.clone(), stage: operation.asked() }))
        }
        (Admission::Asked | Admission::Done, _) => Ok(None),
        (Admission::Blocked(by), _) => Err(Rejection::Blocked { payment_id: id.to_owned(), operation: by }),
        (Admission::Open | Admission::Closed, _) => Err(wrong_state(id, operation, current)),
    }
}

/// The payment behind an answer; `None` if nothing waits for it.
fn settle(current: Option<&Payment>, operation: Operation, answer: &Answer) -> Option<Payment> {
    match current? {
        Payment::Barred => None,
        Payment::Asked { charge, stage } => {
            Some(Payment::Asked { charge: charge.clone(), stage: stage.answered(operation, answer)? })
        }
    }
}

/// What a caller is told of a wish: that it is done, or why it is not.
fn told(id: &str, shown: &Payment, operation: Operation, answer: Option<&Answer>) -> Result<(), Rejection> {
    let payment_id = id.to_owned();
    match (shown.admit(operation), answer) {
        (Admission::Done, _) => Ok(()),
        (Admission::Asked, _) => Err(Rejection::Unanswered { payment_id, operation }),
        (Admission::Blocked(by), _) => Err(Rejection::Blocked { payment_id, operation: by }),
        (Admission::Open, Some(Answer::Declined { code })) => {
            let code = code.clone();
            Err(Rejection::Declined { payment_id, operation, state: shown.state(), code })
        }
        (Admission::Open | Admission::Closed, _) => Err(wrong_state(id, operation, shown)),
    }
}

fn wrong_state(id: &str, operation: Operation, payment: &Payment) -> Rejection {
    Rejection::WrongState { payment_id: id.to_owned(), operation, state: payment.state() }
}

fn event(payment: &Payment) -> &'static str {
    match payment {
        Payment::Barred => "PaymentVoided",
        Payment::Asked { stage, .. } => stage.event(),
    }
}

#[cfg(test)]
mod tests;
