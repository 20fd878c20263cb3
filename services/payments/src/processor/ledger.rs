//! The embedded processor's ledger: what it was asked for, and what it did. It stands for the database of
//! another company, so that nothing else in this service looks into it, and it into nothing else's.
//!
//! File: `processor.db` in the data directory, with its `-wal` and `-shm`. Schema: `operations` has one row
//! for each idempotency key, whose `answer` is NULL as long as no attempt had an effect, and never changes
//! once it is set; `movements` has the money: one row for each effect. That nothing moves twice follows from
//! the answer; the key of `movements` holds it, should that ever be wrong.
//!
//! Atomicity: an attempt is one transaction, `BEGIN IMMEDIATE` to `COMMIT`, on the one connection: count
//! it, see what was done before, write the answer and the movement down.
//!
//! Crash: the journal is a WAL with `synchronous=FULL`, so that what was answered survives a loss of power.
//! A process that died may leave what was never synced: a start moves it into the database, synced, before
//! anything is answered.

use std::{fs::File, io, path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Row as _, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tokio::task::JoinError;

use crate::domain::{Answer, Charge, Operation};

const FILE: &str = "processor.db";

/// Nobody else writes; a reader from outside may hold up the checkpoint of a start.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SCHEMA: [&str; 2] = [
    "
    CREATE TABLE IF NOT EXISTS operations (
        idempotency_key TEXT    NOT NULL PRIMARY KEY,
        payment_id      TEXT    NOT NULL,
        operation       TEXT    NOT NULL,
        currency_code   TEXT,             -- of an authorization
        minor_units     INTEGER,          -- of an authorization
        token           TEXT,             -- of an authorization
        attempts        INTEGER NOT NULL, -- how often it was asked
        answer          TEXT,             -- 'approved', or why it was declined
        UNIQUE (payment_id, operation)
    ) STRICT",
    "
    CREATE TABLE IF NOT EXISTS movements (
        payment_id      TEXT    NOT NULL,
        operation       TEXT    NOT NULL,
        currency_code   TEXT    NOT NULL, -- as authorized
        minor_units     INTEGER NOT NULL, -- as authorized
        PRIMARY KEY (payment_id, operation)
    ) STRICT",
];

const COUNT: &str = "
    INSERT INTO operations VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, NULL)
    ON CONFLICT (idempotency_key) DO UPDATE SET attempts = attempts + 1
    RETURNING attempts, answer,
              (currency_code, minor_units, token) IS (?4, ?5, ?6) AS is_same";

const OF_PAYMENT: &str = "SELECT operation, token, answer FROM operations WHERE payment_id = ?1";

const DECIDE: &str = "UPDATE operations SET answer = ?2 WHERE idempotency_key = ?1";

const MOVE: &str = "
    INSERT INTO movements
    SELECT payment_id, ?2, currency_code, minor_units FROM operations
    WHERE payment_id = ?1 AND operation = 'authorize'";

const APPROVED: &str = "approved";
/// The answer to a key that comes again with another charge; it is not written down.
const REUSED: &str = "idempotency_key_reused";

/// Why the ledger did not take an attempt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// It cannot be opened, or holds what it should not.
    #[error("opening the processor's ledger")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing was written.
    #[error("beginning with an attempt")]
    Unavailable(#[source] sqlx::Error),
    /// It may or may not have been written.
    #[error("writing an attempt down")]
    Failed(#[from] sqlx::Error),
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
    pool: SqlitePool,
}

impl Ledger {
    /// Opens the ledger in this directory, or begins it.
    pub(super) async fn open(directory: &Path) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::new()
            .filename(directory.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let failed = |error: sqlx::Error| LedgerError::Open(error.into());
        let one = SqlitePoolOptions::new().max_connections(1);
        let pool = one.connect_with(options).await.map_err(failed)?;
        for table in SCHEMA {
            sqlx::query(table).execute(&pool).await.map_err(failed)?;
        }
        let checkpoint = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)");
        let is_busy: i64 = checkpoint.fetch_one(&pool).await.map_err(failed)?;
        if is_busy != 0 {
            return Err(LedgerError::Open("somebody reads it: its WAL cannot be moved into it".into()));
        }
        sync_directory(directory).map_err(|error| LedgerError::Open(error.into()))?;
        Ok(Self { pool })
    }

    /// Takes an attempt, and gives the answer; `None` where it is not told. `turn` decides what was not
    /// decided before.
    pub(super) async fn take(
        &self,
        key: &str,
        asked: Asked,
        turn: impl Fn(&Attempt) -> Turn + Send,
    ) -> Result<Option<Answer>, LedgerError> {
        let mut transaction =
            self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(LedgerError::Unavailable)?;
        let counted = count(&mut transaction, key, &asked).await?;
        let is_same: bool = counted.try_get("is_same")?;
        let known: Option<String> = counted.try_get("answer")?;
        let answer = match known {
            _ if !is_same => Some(read_answer(REUSED)),
            Some(known) => Some(read_answer(&known)),
            None => {
                let number = counted.try_get("attempts")?;
                let attempt = attempt(&mut transaction, number, &asked).await?;
                let (done, told) = match turn(&attempt) {
                    Turn::Told(answer) => (Some(answer.clone()), Some(answer)),
                    Turn::Untold(answer) => (Some(answer), None),
                    Turn::Lost => (None, None),
                };
                if let Some(done) = done {
                    book(&mut transaction, key, &asked, done).await?;
                }
                told
            }
        };
        transaction.commit().await?;
        Ok(answer)
    }
}

async fn count(
    transaction: &mut Transaction<'_, Sqlite>,
    key: &str,
    asked: &Asked,
) -> Result<SqliteRow, sqlx::Error> {
    let charge = asked.charge.as_ref();
    sqlx::query(COUNT)
        .bind(key)
        .bind(&asked.payment_id)
        .bind(asked.operation.name())
        .bind(charge.map(|charge| &charge.amount.currency_code))
        .bind(charge.map(|charge| charge.amount.minor_units))
        .bind(charge.map(|charge| &charge.token.0))
        .fetch_one(&mut **transaction)
        .await
}

async fn attempt(
    transaction: &mut Transaction<'_, Sqlite>,
    number: i64,
    asked: &Asked,
) -> Result<Attempt, sqlx::Error> {
    let rows = sqlx::query(OF_PAYMENT).bind(&asked.payment_id).fetch_all(&mut **transaction).await?;
    let mut attempt = Attempt { number, operation: asked.operation, token: None, approved: Vec::new() };
    for row in rows {
        let (name, token, answer): (String, Option<String>, Option<String>) =
            (row.try_get("operation")?, row.try_get("token")?, row.try_get("answer")?);
        attempt.token = attempt.token.or(token);
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name);
        attempt.approved.extend(operation.filter(|_| answer.as_deref() == Some(APPROVED)));
    }
    Ok(attempt)
}

async fn book(
    transaction: &mut Transaction<'_, Sqlite>,
    key: &str,
    asked: &Asked,
    done: Answer,
) -> Result<(), sqlx::Error> {
    if done == Answer::Approved {
        let movement = sqlx::query(MOVE).bind(&asked.payment_id).bind(asked.operation.name());
        movement.execute(&mut **transaction).await?;
    }
    let decide = sqlx::query(DECIDE).bind(key).bind(write_answer(done));
    decide.execute(&mut **transaction).await?;
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

/// A new file is there after a loss of power only once its directory was synced.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
