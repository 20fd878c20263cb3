//! The embedded processor's ledger: what it was asked for, and what it did. It stands for the database of
//! another company, so that nothing else in this service looks into it, and it into nothing else's.
//!
//! Schema: `operations` has one row for each idempotency key, whose `answer` is NULL as long as no attempt had an effect,
//! and never changes once it is set; `movements` has the money: one row for each effect. That nothing moves twice follows
//! from the answer; the key of `movements` holds it, should that ever be wrong. Where both lie, and what a crash leaves:
//! [`database`].
//!
//! Atomicity: an attempt is one transaction, and those of one payment follow on each other: count it, see what was done
//! before, write the answer and the movement down.

mod database;

use tokio::task::JoinError;
use tributary_chassis::outbox::BoxError;

pub(crate) use self::database::Place;
use self::database::{Attempting, Bound, Database};
use crate::domain::{Answer, Charge, Operation};

const COUNT: &str = "
    INSERT INTO operations VALUES ($1, $2, $3, $4, $5, $6, 1, NULL)
    ON CONFLICT (idempotency_key) DO UPDATE SET attempts = operations.attempts + 1
    RETURNING attempts, answer, currency_code IS NOT DISTINCT FROM $4 AND minor_units IS NOT DISTINCT FROM $5
                                AND token IS NOT DISTINCT FROM $6 AS is_same";

const OF_PAYMENT: &str = "SELECT operation, token, answer FROM operations WHERE payment_id = $1";

const DECIDE: &str = "UPDATE operations SET answer = $2 WHERE idempotency_key = $1";

const MOVE: &str = "
    INSERT INTO movements
    SELECT payment_id, $2, currency_code, minor_units FROM operations
    WHERE payment_id = $1 AND operation = 'authorize'";

const APPROVED: &str = "approved";
/// The answer to a key that comes again with another charge; it is not written down.
const REUSED: &str = "idempotency_key_reused";

/// Why the ledger did not take an attempt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// It cannot be opened, or holds what it should not.
    #[error("opening the processor's ledger")]
    Open(#[source] BoxError),
    /// Nothing was written.
    #[error("beginning with an attempt")]
    Unavailable(#[source] BoxError),
    /// It may or may not have been written.
    #[error("writing an attempt down")]
    Failed(#[source] BoxError),
    /// As when the process ends.
    #[error("an attempt was cut short")]
    Ended(#[source] JoinError),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    payment_id: String,
    operation: Operation,
    charge: Option<Charge>,
}

impl Asked {
    /// An authorization has a charge, and nothing else has.
    pub(super) fn new(payment_id: &str, operation: Operation, charge: Option<&Charge>) -> Self {
        Self { payment_id: payment_id.to_owned(), operation, charge: charge.cloned() }
    }
}

/// An attempt at something that has no answer yet.
#[derive(Debug)]
pub(super) struct Attempt {
    /// From 1.
    pub(super) number: i64,
    pub(super) operation: Operation,
    /// By which the payment is authorized, if it was asked for at all.
    pub(super) token: Option<String>,
    /// What was done with the payment.
    pub(super) approved: Vec<Operation>,
}

/// What comes of an attempt.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is done, and told.
    Told(Answer),
    /// It is done, and the answer is lost.
    Untold(Answer),
    /// It is lost itself.
    Lost,
}

/// What the processor was asked for, and what it did.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    database: Database,
}

impl Ledger {
    /// Opens the ledger, or begins it.
    pub(super) async fn open(place: Place<'_>) -> Result<Self, LedgerError> {
        Ok(Self { database: Database::open(place).await? })
    }

    /// Takes an attempt, and gives the answer; `None` where it is not told. `turn` decides what was not
    /// decided before.
    pub(super) async fn take(
        &self,
        key: &str,
        asked: Asked,
        turn: impl Fn(&Attempt) -> Turn + Send,
    ) -> Result<Option<Answer>, LedgerError> {
        let mut attempting =
            self.database.begin(&asked.payment_id).await.map_err(LedgerError::Unavailable)?;
        let counted = count(&mut attempting, key, &asked).await?;
        let answer = match counted.answer {
            _ if !counted.is_same => Some(read_answer(REUSED)),
            Some(known) => Some(read_answer(&known)),
            None => {
                let attempt = attempt(&mut attempting, counted.attempts, &asked).await?;
                let (done, told) = match turn(&attempt) {
                    Turn::Told(answer) => (Some(answer.clone()), Some(answer)),
                    Turn::Untold(answer) => (Some(answer), None),
                    Turn::Lost => (None, None),
                };
                if let Some(done) = done {
                    book(&mut attempting, key, &asked, done).await?;
                }
                told
            }
        };
        attempting.commit().await?;
        Ok(answer)
    }
}

/// What is known of a key.
struct Counted {
    attempts: i64,
    answer: Option<String>,
    /// Whether it came with this charge before.
    is_same: bool,
}

async fn count(attempting: &mut Attempting, key: &str, asked: &Asked) -> Result<Counted, LedgerError> {
    let charge = asked.charge.as_ref();
    let values = [
        Bound::from(key),
        Bound::from(asked.payment_id.as_str()),
        Bound::from(asked.operation.name()),
        Bound::Text(charge.map(|charge| charge.amount.currency_code.as_str())),
        Bound::Number(charge.map(|charge| charge.amount.minor_units)),
        Bound::Text(charge.map(|charge| charge.token.0.as_str())),
    ];
    let counted = attempting.run(COUNT, &values, |row| {
        let (attempts, answer, is_same) = (row.get("attempts")?, row.get("answer")?, row.get("is_same")?);
        Ok(Counted { attempts, answer, is_same })
    });
    counted.await?.pop().ok_or_else(|| LedgerError::Failed("an attempt was not counted".into()))
}

async fn attempt(attempting: &mut Attempting, number: i64, asked: &Asked) -> Result<Attempt, LedgerError> {
    let mut attempt = Attempt { number, operation: asked.operation, token: None, approved: Vec::new() };
    let of_payment = [asked.payment_id.as_str().into()];
    let operations = attempting.run(OF_PAYMENT, &of_payment, |row| {
        let (name, token, answer) = (row.get("operation")?, row.get("token")?, row.get("answer")?);
        Ok::<(String, Option<String>, Option<String>), BoxError>((name, token, answer))
    });
    for (name, token, answer) in operations.await? {
        attempt.token = attempt.token.or(token);
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name);
        attempt.approved.extend(operation.filter(|_| answer.as_deref() == Some(APPROVED)));
    }
    Ok(attempt)
}

async fn book(
    attempting: &mut Attempting,
    key: &str,
    asked: &Asked,
    done: Answer,
) -> Result<(), LedgerError> {
    if done == Answer::Approved {
        let moved = [asked.payment_id.as_str().into(), asked.operation.name().into()];
        attempting.run(MOVE, &moved, |_| Ok(())).await?;
    }
    attempting.run(DECIDE, &[key.into(), write_answer(done).as_str().into()], |_| Ok(())).await?;
    Ok(())
}

fn read_answer(text: &str) -> Answer {
    match text {
        APPROVED => Answer::Approved,
        code => Answer::Declined { code: code.to_owned() },
    }
}

fn write_answer(answer: Answer) -> String {
    match answer {
        Answer::Approved => APPROVED.to_owned(),
        Answer::Declined { code } => code,
    }
}
