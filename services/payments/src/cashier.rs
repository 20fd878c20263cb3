//! Carries out what callers wish, at a processor that may not answer, so that it happens once:
//!
//! ```text
//! begin (the intent commits) -> ask the processor -> conclude (its answer commits, with the reply)
//! ```
//!
//! A crash, a lost answer, or a caller that goes away leaves the intent. Whoever comes next asks again under
//! the same idempotency key: the caller, another caller of the same payment, or [`crate::resolving`].

use std::{sync::Arc, time::Duration};

use prost::Message;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tracing::{Instrument as _, field::Empty};
use tributary_chassis::{
    fault::{Fault, Reason},
    outbox::{Call, Outbox, Stored},
    resource,
};

use crate::{
    domain::{Answer, Charge, Command, Operation, Payment, Payments, Wish},
    error::Rejection,
    processor::{IdempotencyKey, NoAnswer, PaymentProcessor},
};

/// Longest wait for the processor: who asked has time to hear that there was no answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A call of a method that writes, under two names in the outbox. The claim commits with the intent, and
/// keeps the request id for this request and this payment; without it, another request under the same id
/// could reach the processor while this one waits there. The call commits with the reply.
#[derive(Debug)]
pub(crate) struct Asked {
    request_id: String,
    claim: Call,
    call: Call,
}

impl Asked {
    /// See [`Call::new`].
    pub(crate) fn new(method: &'static str, request_id: &str, request: &impl Message) -> Result<Self, Fault> {
        let call = Call::new(method, request_id, request)?;
        let claim = if request_id.is_empty() { String::new() } else { claim_id(request_id) };
        Ok(Self { request_id: request_id.to_owned(), claim: Call::new(method, &claim, request)?, call })
    }

    /// Tells of the request id that the caller knows.
    fn refused(&self, fault: Fault) -> Fault {
        if fault.reason() != Reason::RequestIdReused {
            return fault;
        }
        let id = &self.request_id;
        let text = format!("request_id `{id}` was used with another request: choose a new one");
        Fault::new(Reason::RequestIdReused, text).with("request_id", id)
    }
}

/// As long as the longest request id at most, whatever it is derived from.
fn claim_id(request_id: &str) -> String {
    let digest = Sha256::digest(request_id);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("claim-{hex}")
}

/// The payments, and the processor behind them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cashier {
    outbox: Outbox<Payments>,
    processor: Arc<dyn PaymentProcessor>,
    patience: Duration,
}

impl Cashier {
    pub(crate) fn new(outbox: Outbox<Payments>, processor: Arc<dyn PaymentProcessor>) -> Self {
        Self { outbox, processor, patience: PATIENCE }
    }

    /// Has a wish come true, once, and replies with what `show` makes of the payment then.
    ///
    /// May be dropped at any await.
    pub(crate) async fn carry_out<R: Message + Default + 'static>(
        &self,
        asked: Asked,
        payment_id: String,
        wish: Wish,
        show: fn(&str, &Stored<Payment>) -> R,
    ) -> Result<R, Fault> {
        if let Some(reply) = self.outbox.replay(&asked.call).await? {
            return Ok(reply);
        }
        let operation = wish.operation();
        // The request may have been here before, for a payment whose id was chosen then.
        let payment_id = self.begin(&asked, payment_id, wish).await?;
        let answer = self.answer(&payment_id, operation).await?;
        let id = payment_id.clone();
        let command = Command::Conclude { payment_id, operation, answer };
        let respond = move |states: &_| show(&id, resource::left(states, &id));
        self.outbox.execute(asked.call, command, respond).await
    }

    /// Asks again for what the processor has not answered, and writes its answer down. What others have
    /// settled in the meantime is left as it is.
    pub(crate) async fn resolve(
        &self,
        payment_id: &str,
        charge: &Charge,
        operation: Operation,
    ) -> Result<(), Unresolved> {
        let answer = self.ask(payment_id, operation, charge).await?;
        Ok(self.settle(payment_id, operation, answer).await?)
    }

    /// Writes the wish down, and gives the payment that it is about.
    async fn begin(&self, asked: &Asked, payment_id: String, wish: Wish) -> Result<String, Fault> {
        let claimed = self.outbox.replay(&asked.claim).await.map_err(|fault| asked.refused(fault))?;
        if let Some(payment_id) = claimed {
            return Ok(payment_id);
        }
        self.clear_the_way(&payment_id, wish.operation()).await?;
        let id = payment_id.clone();
        let command = Command::Begin { payment_id, wish };
        let claimed = self.outbox.execute(asked.claim.clone(), command, move |_| id.clone()).await;
        claimed.map_err(|fault| asked.refused(fault))
    }

    /// One question at a time: what was asked of the processor before is answered first.
    async fn clear_the_way(&self, payment_id: &str, operation: Operation) -> Result<(), Fault> {
        let Some((charge, before)) = self.unanswered(payment_id).await? else { return Ok(()) };
        if before == operation || operation == Operation::Authorize {
            return Ok(());
        }
        match self.resolve(payment_id, &charge, before).await {
            Ok(()) => Ok(()),
            Err(Unresolved::Fault(fault)) => Err(fault),
            Err(Unresolved::NoAnswer(none)) => {
                let blocked = Rejection::Blocked { payment_id: payment_id.to_owned(), operation: before };
                Err(Fault::from(blocked).with_source(none))
            }
        }
    }

    /// What the processor says to an operation that has begun; `None` if it need not be asked.
    async fn answer(&self, payment_id: &str, operation: Operation) -> Result<Option<Answer>, Fault> {
        let Some((charge, unanswered)) = self.unanswered(payment_id).await? else { return Ok(None) };
        if unanswered != operation {
            return Ok(None);
        }
        let answer = self.ask(payment_id, operation, &charge).await;
        let answer = answer.map_err(|none| no_answer(none, payment_id, operation))?;
        if matches!(answer, Answer::Declined { .. }) && operation != Operation::Authorize {
            // The caller will be refused, which is not kept as a reply; what the processor said is.
            self.settle(payment_id, operation, answer.clone()).await?;
        }
        Ok(Some(answer))
    }

    async fn unanswered(&self, payment_id: &str) -> Result<Option<(Charge, Operation)>, Fault> {
        let stored = self.outbox.get(&payment_id.to_owned()).await?;
        let unanswered = stored.as_ref().and_then(|stored| stored.state.unanswered());
        Ok(unanswered.map(|(charge, operation)| (charge.clone(), operation)))
    }

    /// Asks the processor. The intent is durable already, or this is a defect.
    async fn ask(&self, payment_id: &str, operation: Operation, charge: &Charge) -> Result<Answer, NoAnswer> {
        let key = IdempotencyKey::new(payment_id, operation);
        let asking = async {
            match operation {
                Operation::Authorize => self.processor.authorize(&key, payment_id, charge).await,
                Operation::Capture => self.processor.capture(&key, payment_id).await,
                Operation::Void => self.processor.void(&key, payment_id).await,
                Operation::Refund => self.processor.refund(&key, payment_id).await,
            }
        };
        // What it says to a token is for the trace to tell, what it is told is not.
        let name = format!("processor {operation}");
        let span = tracing::info_span!(
            "processor",
            %operation,
            otel.name = name,
            otel.kind = "client",
            otel.status_description = Empty,
        );
        let answer = timeout(self.patience, asking.instrument(span.clone())).await;
        let answer = answer.unwrap_or_else(|_| Err(NoAnswer::Unknown(key.clone())));
        match &answer {
            Ok(Answer::Approved) => {}
            Ok(Answer::Declined { code }) => {
                span.record("otel.status_description", format!("declined: {code}"));
            }
            Err(NoAnswer::Unknown(_)) => {
                span.record("otel.status_description", "not answered");
            }
            Err(NoAnswer::Unavailable(..)) => {
                span.record("otel.status_description", "unavailable");
            }
        }
        answer
    }

    async fn settle(&self, payment_id: &str, operation: Operation, answer: Answer) -> Result<(), Fault> {
        let call = Call::new("Settle", "", &())?;
        let command = Command::Settle { payment_id: payment_id.to_owned(), operation, answer };
        self.outbox.execute(call, command, |_| ()).await
    }
}

/// Why an intent is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unresolved {
    /// The processor did not say.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The store did not take what it said.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a caller is told whose own wish is not answered.
fn no_answer(none: NoAnswer, payment_id: &str, operation: Operation) -> Fault {
    let payment_id = payment_id.to_owned();
    let rejection = match none {
        NoAnswer::Unknown(_) => Rejection::Unanswered { payment_id, operation },
        NoAnswer::Unavailable(..) => Rejection::Unreachable { payment_id, operation },
    };
    Fault::from(rejection).with_source(none)
}

#[cfg(test)]
mod tests;
