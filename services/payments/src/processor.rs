//! The payment processor: another company's system, which moves the money.
//!
//! It is asked under an idempotency key, and does at most once what it is asked for under one key, however
//! often. Who gets no answer knows nothing, and asks again under the same key.

mod embedded;
mod ledger;

use std::fmt;

use crate::domain::{Answer, Charge, Operation};

pub(crate) use embedded::Embedded;
pub(crate) use ledger::Place;

/// One operation on one payment, for ever: `payment_id:operation`. No id holds a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    pub(crate) fn new(payment_id: &str, operation: Operation) -> Self {
        Self(format!("{payment_id}:{operation}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// It was asked; whether it did anything is not known.
    #[error("the processor did not answer to {0}")]
    Unknown(IdempotencyKey),
    /// It could not be asked, and did nothing.
    #[error("the processor cannot be asked for {0}")]
    Unavailable(IdempotencyKey, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a processor can do. A payment is known to it by the `payment_id` of its authorization.
#[tonic::async_trait]
pub(crate) trait PaymentProcessor: fmt::Debug + Send + Sync {
    /// Sets an amount aside.
    async fn authorize(
        &self,
        key: &IdempotencyKey,
        payment_id: &str,
        charge: &Charge,
    ) -> Result<Answer, NoAnswer>;

    /// Takes what was set aside.
    async fn capture(&self, key: &IdempotencyKey, payment_id: &str) -> Result<Answer, NoAnswer>;

    /// Gives up what was set aside.
    async fn void(&self, key: &IdempotencyKey, payment_id: &str) -> Result<Answer, NoAnswer>;

    /// Gives back what was taken.
    async fn refund(&self, key: &IdempotencyKey, payment_id: &str) -> Result<Answer, NoAnswer>;
}
