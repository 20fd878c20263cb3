//! The payments in SQLite or PostgreSQL; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each payment, with what the processor was asked for beside its
//! state; the tables of the outbox are in the same database. The processor's own ledger is not.
//!
//! Atomicity: the outbox reads and writes the rows within its transaction, once for all commands of a group.
//!
//! Crash: the rows commit with their changes, positions and replies, or not at all. What the processor
//! was asked for is in the row before it is asked; so a crash leaves at most a question whose answer is
//! not known, and the next start asks it again.

use serde::Serialize;
use tributary_chassis::outbox::{BoxError, Migration, SqlRow, SqlRows};

use crate::domain::{Charge, Money, Operation, Payment, Payments, Stage, Token};

/// The collection of what is published: all but those that were voided before they were authorized.
pub(crate) const PAYMENTS: &str = "payments";
/// The collection of them all.
pub(crate) const ALL: &str = "all";
/// The collection of those that wait for the processor to answer.
pub(crate) const UNANSWERED: &str = "unanswered";

/// How the outbox finds and writes payments.
#[derive(Debug)]
pub(crate) struct Tables;

impl SqlRows for Tables {
    type Model = Payments;
    type Row<'a> = Row<'a>;

    const TABLE: &'static str = "payments";
    const KEY: &'static str = "payment_id";
    const COLUMNS: &'static [&'static str] = &[
        "state",
        "unanswered",
        "decline_code",
        "order_id",
        "customer_id",
        "currency_code",
        "minor_units",
        "token",
    ];
    const ON_SQLITE: &'static [Migration] =
        &[(1, "payments", include_str!("../migrations/sqlite/0001_payments.sql"))];
    const ON_POSTGRES: &'static [Migration] =
        &[(1, "payments", include_str!("../migrations/postgres/0001_payments.sql"))];

    fn condition(collection: &str) -> Option<&'static str> {
        match collection {
            PAYMENTS => Some("token IS NOT NULL"),
            ALL => Some("TRUE"),
            UNANSWERED => Some("unanswered <> ''"),
            _ => None,
        }
    }

    fn row(payment: &Payment) -> Row<'_> {
        let (charge, stage) = match payment {
            Payment::Barred => (None, &Stage::Voided),
            Payment::Asked { charge, stage } => (Some(charge), stage),
        };
        Row {
            state: stage.state().name(),
            unanswered: stage.unanswered().map_or("", Operation::name),
            decline_code: if let Stage::Declined { code } = stage { code } else { "" },
            order_id: charge.map(|charge| charge.order_id.as_str()),
            customer_id: charge.map(|charge| charge.customer_id.as_str()),
            currency_code: charge.map(|charge| charge.amount.currency_code.as_str()),
            minor_units: charge.map(|charge| charge.amount.minor_units),
            token: charge.map(|charge| charge.token.0.as_str()),
        }
    }

    fn read(row: &SqlRow<'_>) -> Result<Payment, BoxError> {
        let token: Option<String> = row.get("token")?;
        Ok(match token {
            None => Payment::Barred,
            Some(token) => Payment::Asked { charge: read_charge(row, token)?, stage: read_stage(row)? },
        })
    }
}

/// A payment, with the names of its columns.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    state: &'static str,
    unanswered: &'static str,
    decline_code: &'a str,
    order_id: Option<&'a str>,
    customer_id: Option<&'a str>,
    currency_code: Option<&'a str>,
    minor_units: Option<i64>,
    token: Option<&'a str>,
}

fn read_charge(row: &SqlRow<'_>, token: String) -> Result<Charge, BoxError> {
    Ok(Charge {
        order_id: row.get("order_id")?,
        customer_id: row.get("customer_id")?,
        amount: Money { currency_code: row.get("currency_code")?, minor_units: row.get("minor_units")? },
        token: Token(token),
    })
}

fn read_stage(row: &SqlRow<'_>) -> Result<Stage, BoxError> {
    let (state, unanswered): (String, String) = (row.get("state")?, row.get("unanswered")?);
    if let Some(operation) = Operation::ALL.into_iter().find(|operation| operation.name() == unanswered) {
        return Ok(operation.asked());
    }
    let stage = |stage: Stage| (stage.state().name() == state).then_some(stage);
    [
        Stage::Authorized,
        Stage::Declined { code: row.get("decline_code")? },
        Stage::Captured,
        Stage::Voided,
        Stage::Refunded,
    ]
    .into_iter()
    .find_map(stage)
    .ok_or_else(|| format!("`{state}` is no state of an answered payment").into())
}
