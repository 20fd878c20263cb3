//! The payments in SQLite; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each payment, with what the processor was asked for beside its
//! state; the tables of the outbox are in the same file. The processor's own ledger is not.
//!
//! Atomicity: the outbox calls these functions within its transaction, once for all commands of a
//! group. Each is one or two statements however many payments it is about, since a statement costs more
//! than a row: keys and rows travel as one JSON text.
//!
//! Crash: the rows commit with their changes, positions and replies, or not at all. What the processor
//! was asked for is in the row before it is asked; so a crash leaves at most a question whose answer is
//! not known, and the next start asks it again.

use serde::Serialize;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use tributary_chassis::{
    outbox::{BoxError, SqliteTables, Stored},
    timestamp::{from_micros, micros},
};

use crate::domain::{Charge, Money, Operation, Payment, Payments, Stage, Token};

/// The collection of what is published: all but those that were voided before they were authorized.
pub(crate) const PAYMENTS: &str = "payments";
/// The collection of them all.
pub(crate) const ALL: &str = "all";
/// The collection of those that wait for the processor to answer.
pub(crate) const UNANSWERED: &str = "unanswered";

const LOAD: &str = "
    SELECT * FROM payments WHERE payment_id IN (SELECT value FROM json_each(?1))";

const SCAN: &str = "
    SELECT * FROM payments WHERE payment_id > ?1 AND token IS NOT NULL ORDER BY payment_id LIMIT ?2";

const SCAN_ALL: &str = "
    SELECT * FROM payments WHERE payment_id > ?1 ORDER BY payment_id LIMIT ?2";

const SCAN_UNANSWERED: &str = "
    SELECT * FROM payments WHERE payment_id > ?1 AND unanswered <> '' ORDER BY payment_id LIMIT ?2";

const REMOVE: &str = "
    DELETE FROM payments WHERE payment_id IN (SELECT value FROM json_each(?1))";

const INSERT: &str = "
    INSERT INTO payments (payment_id, state, unanswered, decline_code, order_id, customer_id,
                          currency_code, minor_units, token, sequence, version, create_time, update_time)
    SELECT value ->> 'payment_id', value ->> 'state', value ->> 'unanswered', value ->> 'decline_code',
           value ->> 'order_id', value ->> 'customer_id', value ->> 'currency_code',
           value ->> 'minor_units', value ->> 'token', value ->> 'sequence', value ->> 'version',
           value ->> 'create_time', value ->> 'update_time'
    FROM json_each(?1)";

/// How the outbox finds and writes payments.
#[derive(Debug)]
pub(crate) struct Tables;

type Entry = (String, Stored<Payment>);

impl SqliteTables for Tables {
    type Model = Payments;

    fn migrations() -> Vec<(i64, &'static str, &'static str)> {
        vec![(1, "payments", include_str!("../migrations/0001_payments.sql"))]
    }

    async fn load(conn: &mut SqliteConnection, keys: &[String]) -> Result<Vec<Entry>, BoxError> {
        let rows = sqlx::query(LOAD).bind(serde_json::to_string(keys)?).fetch_all(conn).await?;
        rows.iter().map(read).collect()
    }

    async fn save(
        conn: &mut SqliteConnection,
        writes: &[(String, Option<Stored<Payment>>)],
    ) -> Result<(), BoxError> {
        let keys: Vec<&String> = writes.iter().map(|(key, _)| key).collect();
        sqlx::query(REMOVE).bind(serde_json::to_string(&keys)?).execute(&mut *conn).await?;
        let rows: Vec<Row<'_>> =
            writes.iter().filter_map(|(key, stored)| Some(row(key, stored.as_ref()?))).collect();
        sqlx::query(INSERT).bind(serde_json::to_string(&rows)?).execute(conn).await?;
        Ok(())
    }

    async fn scan(
        conn: &mut SqliteConnection,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, BoxError> {
        let scan = match collection {
            PAYMENTS => SCAN,
            ALL => SCAN_ALL,
            UNANSWERED => SCAN_UNANSWERED,
            other => return Err(format!("`{other}` is no collection of payments").into()),
        };
        // No id is empty, so the empty text is before them all.
        let scan = sqlx::query(scan).bind(after.unwrap_or_default()).bind(i64::try_from(limit)?);
        scan.fetch_all(conn).await?.iter().map(read).collect()
    }
}

/// A row, with the names of its columns.
#[derive(Serialize)]
struct Row<'a> {
    payment_id: &'a str,
    state: &'static str,
    unanswered: &'static str,
    decline_code: &'a str,
    order_id: Option<&'a str>,
    customer_id: Option<&'a str>,
    currency_code: Option<&'a str>,
    minor_units: Option<i64>,
    token: Option<&'a str>,
    sequence: u64,
    version: u64,
    create_time: i64,
    update_time: i64,
}

fn row<'a>(payment_id: &'a str, stored: &'a Stored<Payment>) -> Row<'a> {
    let (charge, stage) = match &stored.state {
        Payment::Barred => (None, &Stage::Voided),
        Payment::Asked { charge, stage } => (Some(charge), stage),
    };
    let decline_code = if let Stage::Declined { code } = stage { code } else { "" };
    Row {
        payment_id,
        state: stage.state().name(),
        unanswered: stage.unanswered().map_or("", Operation::name),
        decline_code,
        order_id: charge.map(|charge| charge.order_id.as_str()),
        customer_id: charge.map(|charge| charge.customer_id.as_str()),
        currency_code: charge.map(|charge| charge.amount.currency_code.as_str()),
        minor_units: charge.map(|charge| charge.amount.minor_units),
        token: charge.map(|charge| charge.token.0.as_str()),
        sequence: stored.sequence,
        version: stored.version,
        create_time: micros(stored.create_time),
        update_time: micros(stored.update_time),
    }
}

fn read(row: &SqliteRow) -> Result<Entry, BoxError> {
    let token: Option<String> = row.try_get("token")?;
    let payment = match token {
        None => Payment::Barred,
        Some(token) => Payment::Asked { charge: read_charge(row, token)?, stage: read_stage(row)? },
    };
    let stored = Stored {
        state: payment,
        sequence: row.try_get("sequence")?,
        version: row.try_get("version")?,
        create_time: from_micros(row.try_get("create_time")?),
        update_time: from_micros(row.try_get("update_time")?),
    };
    Ok((row.try_get("payment_id")?, stored))
}

fn read_charge(row: &SqliteRow, token: String) -> Result<Charge, BoxError> {
    Ok(Charge {
        order_id: row.try_get("order_id")?,
        customer_id: row.try_get("customer_id")?,
        amount: Money {
            currency_code: row.try_get("currency_code")?,
            minor_units: row.try_get("minor_units")?,
        },
        token: Token(token),
    })
}

fn read_stage(row: &SqliteRow) -> Result<Stage, BoxError> {
    let (state, unanswered): (String, String) = (row.try_get("state")?, row.try_get("unanswered")?);
    if let Some(operation) = Operation::ALL.into_iter().find(|operation| operation.name() == unanswered) {
        return Ok(operation.asked());
    }
    let stage = |stage: Stage| (stage.state().name() == state).then_some(stage);
    [
        Stage::Authorized,
        Stage::Declined { code: row.try_get("decline_code")? },
        Stage::Captured,
        Stage::Voided,
        Stage::Refunded,
    ]
    .into_iter()
    .find_map(stage)
    .ok_or_else(|| format!("`{state}` is no state of an answered payment").into())
}
