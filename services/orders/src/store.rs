//! The orders in SQLite; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each order, with its lines in it; the tables of the outbox are
//! beside it in the same file. The row is the log of the order's saga as well: a partial index finds those
//! that are not at their end.
//!
//! Atomicity: the outbox calls these functions within its transaction, once for all commands of a
//! group. Each is one or two statements however many orders it is about, since a statement costs more
//! than a row: keys and rows travel as one JSON text.
//!
//! Crash: the rows commit with their changes, positions and replies, or not at all. Nothing is kept
//! outside of that transaction.

use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use tributary_chassis::{
    outbox::{BoxError, SqliteTables, Stored},
    timestamp::{from_micros, micros},
};

use crate::domain::{CancelCause, Cancellation, Order, OrderLine, OrderState, Orders, Payment, Token};

const LOAD: &str = "
    SELECT * FROM orders WHERE order_id IN (SELECT value FROM json_each(?1))";

const SCAN: &str = "
    SELECT * FROM orders WHERE order_id > ?1 ORDER BY order_id LIMIT ?2";

// The condition is that of the index, word for word, or SQLite does not use it.
const SCAN_UNFINISHED: &str = "
    SELECT * FROM orders WHERE state IN ('PLACED', 'CANCELLING') AND order_id > ?1 ORDER BY order_id LIMIT ?2";

const REMOVE: &str = "
    DELETE FROM orders WHERE order_id IN (SELECT value FROM json_each(?1))";

const INSERT: &str = "
    INSERT INTO orders (order_id, customer_id, state, cancel_cause, cancel_reason, confirm_time,
                        shipment_cancelled, payment_method, payment_token, order_time, currency_code,
                        total_minor_units, lines, note, sequence, version, create_time, update_time)
    SELECT value ->> 'order_id', value ->> 'customer_id', value ->> 'state', value ->> 'cancel_cause',
           value ->> 'cancel_reason', value ->> 'confirm_time', value ->> 'shipment_cancelled',
           value ->> 'payment_method', value ->> 'payment_token', value ->> 'order_time',
           value ->> 'currency_code', value ->> 'total_minor_units', value -> 'lines', value ->> 'note',
           value ->> 'sequence', value ->> 'version', value ->> 'create_time', value ->> 'update_time'
    FROM json_each(?1)";

/// The collection of the orders that a saga still has to bring to its end.
pub(crate) const UNFINISHED: &str = "unfinished";

/// How an order is paid, as it is kept.
const INVOICE: &str = "INVOICE";
const CARD: &str = "CARD";

/// How the outbox finds and writes orders.
#[derive(Debug)]
pub(crate) struct Tables;

type Entry = (String, Stored<Order>);

impl SqliteTables for Tables {
    type Model = Orders;

    fn migrations() -> Vec<(i64, &'static str, &'static str)> {
        vec![
            (1, "orders", include_str!("../migrations/0001_orders.sql")),
            (2, "saga", include_str!("../migrations/0002_saga.sql")),
        ]
    }

    async fn load(conn: &mut SqliteConnection, keys: &[String]) -> Result<Vec<Entry>, BoxError> {
        let rows = sqlx::query(LOAD).bind(serde_json::to_string(keys)?).fetch_all(conn).await?;
        rows.iter().map(read).collect()
    }

    async fn save(
        conn: &mut SqliteConnection,
        writes: &[(String, Option<Stored<Order>>)],
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
        // No id is empty, so the empty text is before them all.
        let scan = if collection == UNFINISHED { SCAN_UNFINISHED } else { SCAN };
        let scan = sqlx::query(scan).bind(after.unwrap_or_default()).bind(i64::try_from(limit)?);
        scan.fetch_all(conn).await?.iter().map(read).collect()
    }
}

/// A row, with the names of its columns.
#[derive(Serialize)]
struct Row<'a> {
    order_id: &'a str,
    customer_id: &'a str,
    state: &'static str,
    cancel_cause: &'static str,
    cancel_reason: &'a str,
    confirm_time: Option<i64>,
    shipment_cancelled: i64,
    payment_method: &'static str,
    payment_token: &'a str,
    order_time: i64,
    currency_code: &'a str,
    total_minor_units: i64,
    lines: Vec<Line>,
    note: &'a str,
    sequence: u64,
    version: u64,
    create_time: i64,
    update_time: i64,
}

/// An element of the column `lines`.
#[derive(Deserialize, Serialize)]
struct Line {
    sku: String,
    display_name: String,
    category: String,
    quantity: i64,
    unit_price_minor_units: i64,
}

fn row<'a>(order_id: &'a str, stored: &'a Stored<Order>) -> Row<'a> {
    let order = &stored.state;
    let cancellation = order.state.cancellation();
    let (payment_method, payment_token) = match &order.payment {
        Payment::Invoice => (INVOICE, ""),
        Payment::Card(Token(token)) => (CARD, token.as_str()),
    };
    Row {
        order_id,
        customer_id: &order.customer_id,
        state: order.state.name(),
        cancel_cause: cancellation.map_or("", |cancellation| cause_name(cancellation.cause)),
        cancel_reason: cancellation.map_or("", |cancellation| cancellation.reason.as_str()),
        confirm_time: order.confirm_time.map(micros),
        shipment_cancelled: matches!(order.state, OrderState::Cancelling { shipment_cancelled: true, .. })
            .into(),
        payment_method,
        payment_token,
        order_time: micros(order.order_time),
        currency_code: &order.currency_code,
        total_minor_units: order.total_minor_units,
        lines: order.lines.iter().cloned().map(Line::from).collect(),
        note: &order.note,
        sequence: stored.sequence,
        version: stored.version,
        create_time: micros(stored.create_time),
        update_time: micros(stored.update_time),
    }
}

fn read(row: &SqliteRow) -> Result<Entry, BoxError> {
    let lines: Vec<Line> = serde_json::from_str(row.try_get("lines")?)?;
    let order = Order {
        customer_id: row.try_get("customer_id")?,
        state: read_state(row)?,
        payment: read_payment(row.try_get("payment_method")?, row.try_get("payment_token")?)?,
        confirm_time: row.try_get::<Option<i64>, _>("confirm_time")?.map(from_micros),
        order_time: from_micros(row.try_get("order_time")?),
        currency_code: row.try_get("currency_code")?,
        total_minor_units: row.try_get("total_minor_units")?,
        lines: lines.into_iter().map(OrderLine::from).collect(),
        note: row.try_get("note")?,
    };
    let stored = Stored {
        state: order,
        sequence: row.try_get("sequence")?,
        version: row.try_get("version")?,
        create_time: from_micros(row.try_get("create_time")?),
        update_time: from_micros(row.try_get("update_time")?),
    };
    Ok((row.try_get("order_id")?, stored))
}

fn read_state(row: &SqliteRow) -> Result<OrderState, BoxError> {
    let cancellation = || -> Result<Cancellation, BoxError> {
        Ok(Cancellation {
            cause: read_cause(row.try_get("cancel_cause")?)?,
            reason: row.try_get("cancel_reason")?,
        })
    };
    Ok(match row.try_get("state")? {
        "PLACED" => OrderState::Placed,
        "CONFIRMED" => OrderState::Confirmed,
        "CANCELLING" => OrderState::Cancelling {
            cancellation: cancellation()?,
            shipment_cancelled: row.try_get("shipment_cancelled")?,
        },
        "CANCELLED" => OrderState::Cancelled(cancellation()?),
        "DISPATCHED" => OrderState::Dispatched,
        "DELIVERED" => OrderState::Delivered,
        other => return Err(format!("`{other}` is no state of an order").into()),
    })
}

fn cause_name(cause: CancelCause) -> &'static str {
    match cause {
        CancelCause::Requested => "REQUESTED",
        CancelCause::OutOfStock => "OUT_OF_STOCK",
        CancelCause::PaymentDeclined => "PAYMENT_DECLINED",
        CancelCause::IdUsedBefore => "ID_USED_BEFORE",
    }
}

fn read_cause(cause: &str) -> Result<CancelCause, BoxError> {
    use CancelCause::{IdUsedBefore, OutOfStock, PaymentDeclined, Requested};
    let causes = [Requested, OutOfStock, PaymentDeclined, IdUsedBefore];
    let found = causes.into_iter().find(|known| cause_name(*known) == cause);
    found.ok_or_else(|| format!("`{cause}` is no cause to cancel an order").into())
}

fn read_payment(method: &str, token: String) -> Result<Payment, BoxError> {
    match method {
        INVOICE => Ok(Payment::Invoice),
        CARD => Ok(Payment::Card(Token(token))),
        other => Err(format!("`{other}` is no way to pay").into()),
    }
}

impl From<OrderLine> for Line {
    fn from(line: OrderLine) -> Self {
        let OrderLine { sku, display_name, category, quantity, unit_price_minor_units } = line;
        Self { sku, display_name, category, quantity, unit_price_minor_units }
    }
}

impl From<Line> for OrderLine {
    fn from(line: Line) -> Self {
        let Line { sku, display_name, category, quantity, unit_price_minor_units } = line;
        Self { sku, display_name, category, quantity, unit_price_minor_units }
    }
}

#[cfg(test)]
mod tests;
