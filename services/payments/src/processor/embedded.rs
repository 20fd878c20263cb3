//! The embedded processor: stands in for a real one. What it answers depends on the token alone, as
//! payments.proto lists it; what it did is in a ledger of its own.

use tributary_chassis::fault::causes;

use super::{
    IdempotencyKey, NoAnswer, PaymentProcessor,
    ledger::{Asked, Attempt, Ledger, LedgerError, Place, Turn},
};
use crate::domain::{Answer, Charge, Operation};

/// A processor inside of this process.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    ledger: Ledger,
}

impl Embedded {
    /// With the ledger in this place, where it is made if it is not there.
    pub(crate) async fn open(place: Place<'_>) -> Result<Self, LedgerError> {
        Ok(Self { ledger: Ledger::open(place).await? })
    }

    /// Does what was asked to its end, also when whoever asked has gone: what arrived here is no longer
    /// in the hands of the caller.
    async fn ask(&self, key: &IdempotencyKey, asked: Asked) -> Result<Answer, NoAnswer> {
        let (ledger, asked_as) = (self.ledger.clone(), key.clone());
        let taking = tokio::spawn(async move { ledger.take(asked_as.as_str(), asked, turn).await });
        match taking.await.unwrap_or_else(|ended| Err(LedgerError::Ended(ended))) {
            Ok(told) => told.ok_or_else(|| NoAnswer::Unknown(key.clone())),
            Err(LedgerError::Unavailable(source)) => Err(NoAnswer::Unavailable(key.clone(), source)),
            Err(error) => {
                tracing::error!(%key, error = causes(&error), "the processor's ledger failed");
                Err(NoAnswer::Unknown(key.clone()))
            }
        }
    }
}

#[tonic::async_trait]
impl PaymentProcessor for Embedded {
    async fn authorize(
        &self,
        key: &IdempotencyKey,
        payment_id: &str,
        charge: &Charge,
    ) -> Result<Answer, NoAnswer> {
        self.ask(key, Asked::new(payment_id, Operation::Authorize, Some(charge))).await
    }

    async fn capture(&self, key: &IdempotencyKey, payment_id: &str) -> Result<Answer, NoAnswer> {
        self.ask(key, Asked::new(payment_id, Operation::Capture, None)).await
    }

    async fn void(&self, key: &IdempotencyKey, payment_id: &str) -> Result<Answer, NoAnswer> {
        self.ask(key, Asked::new(payment_id, Operation::Void, None)).await
    }

    async fn refund(&self, key: &IdempotencyKey, payment_id: &str) -> Result<Answer, NoAnswer> {
        self.ask(key, Asked::new(payment_id, Operation::Refund, None)).await
    }
}

/// What an attempt comes to, where none before it had an effect.
fn turn(attempt: &Attempt) -> Turn {
    let Some(token) = attempt.token.as_deref() else {
        return Turn::Told(declined("unknown_payment"));
    };
    let first = attempt.number == 1;
    match (token, attempt.operation) {
        ("tok_timeout_then_ok", _) if first => Turn::Lost,
        ("tok_unknown_outcome", _) if first => Turn::Untold(verdict(attempt)),
        ("tok_ok" | "tok_timeout_then_ok" | "tok_unknown_outcome", _) => Turn::Told(verdict(attempt)),
        ("tok_declined", Operation::Authorize) => Turn::Told(declined("card_declined")),
        ("tok_insufficient_funds", Operation::Authorize) => Turn::Told(declined("insufficient_funds")),
        ("tok_expired_card", Operation::Authorize) => Turn::Told(declined("expired_card")),
        (_, Operation::Authorize) => Turn::Told(declined("unknown_token")),
        (_, Operation::Capture | Operation::Void | Operation::Refund) => Turn::Told(verdict(attempt)),
    }
}

/// Money that was not set aside cannot be taken, and what was not taken cannot be given back.
fn verdict(attempt: &Attempt) -> Answer {
    let done = |operation| attempt.approved.contains(&operation);
    let (authorized, captured, voided) =
        (done(Operation::Authorize), done(Operation::Capture), done(Operation::Void));
    match attempt.operation {
        Operation::Authorize => Answer::Approved,
        Operation::Capture if authorized && !voided => Answer::Approved,
        Operation::Void if authorized && !captured => Answer::Approved,
        Operation::Refund if captured => Answer::Approved,
        Operation::Capture | Operation::Void => declined("not_authorized"),
        Operation::Refund => declined("not_captured"),
    }
}

fn declined(code: &str) -> Answer {
    Answer::Declined { code: code.to_owned() }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::domain::{Money, Token};

    fn charge(minor_units: i64, token: &str) -> Charge {
        Charge {
            order_id: "o".to_owned(),
            customer_id: "c".to_owned(),
            amount: Money { currency_code: "EUR".to_owned(), minor_units },
            token: Token(token.to_owned()),
        }
    }

    /// A processor at which `p` is authorized.
    async fn authorized(directory: &TempDir) -> Embedded {
        let processor = Embedded::open(Place::Directory(directory.path())).await.unwrap();
        assert_eq!(ask(&processor, Operation::Authorize, "p").await, Answer::Approved);
        processor
    }

    async fn ask(processor: &Embedded, operation: Operation, payment_id: &str) -> Answer {
        let key = IdempotencyKey::new(payment_id, operation);
        let answer = match operation {
            Operation::Authorize => processor.authorize(&key, payment_id, &charge(1, "tok_ok")).await,
            Operation::Capture => processor.capture(&key, payment_id).await,
            Operation::Void => processor.void(&key, payment_id).await,
            Operation::Refund => processor.refund(&key, payment_id).await,
        };
        answer.unwrap()
    }

    #[tokio::test]
    async fn money_that_is_not_there_does_not_move() {
        let directory = TempDir::new().unwrap();
        let processor = authorized(&directory).await;
        for operation in [Operation::Capture, Operation::Void, Operation::Refund] {
            assert_eq!(ask(&processor, operation, "other").await, declined("unknown_payment"));
        }
        assert_eq!(ask(&processor, Operation::Refund, "p").await, declined("not_captured"));
        assert_eq!(ask(&processor, Operation::Capture, "p").await, Answer::Approved);
        assert_eq!(ask(&processor, Operation::Void, "p").await, declined("not_authorized"));
        // What was said once under a key is said for ever.
        assert_eq!(ask(&processor, Operation::Refund, "p").await, declined("not_captured"));
    }

    #[tokio::test]
    async fn what_was_voided_is_not_captured() {
        let directory = TempDir::new().unwrap();
        let processor = authorized(&directory).await;
        assert_eq!(ask(&processor, Operation::Void, "p").await, Answer::Approved);
        assert_eq!(ask(&processor, Operation::Capture, "p").await, declined("not_authorized"));
    }

    #[tokio::test]
    async fn a_key_is_for_one_charge() {
        let directory = TempDir::new().unwrap();
        let processor = authorized(&directory).await;
        let key = IdempotencyKey::new("p", Operation::Authorize);
        for other in [charge(2, "tok_ok"), charge(1, "tok_declined")] {
            let answer = processor.authorize(&key, "p", &other).await.unwrap();
            assert_eq!(answer, declined("idempotency_key_reused"));
        }
        assert_eq!(ask(&processor, Operation::Authorize, "p").await, Answer::Approved);
    }

    #[tokio::test]
    async fn the_ledger_survives_its_process() {
        let directory = TempDir::new().unwrap();
        drop(authorized(&directory).await);
        let processor = Embedded::open(Place::Directory(directory.path())).await.unwrap();
        assert_eq!(ask(&processor, Operation::Capture, "p").await, Answer::Approved);
    }
}
