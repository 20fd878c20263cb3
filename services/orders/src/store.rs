//! The orders in SQLite or PostgreSQL; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each order, with its lines in it; the tables of the outbox are
//! beside it in the same database. The row is the log of the order's saga as well: a partial index finds those
//! that are not at their end.
//!
//! Atomicity: the outbox reads and writes the rows within its transaction, once for all commands of a group.
//!
//! Crash: the rows commit with their changes, positions and replies, or not at all. Nothing is kept
//! outside of that transaction.

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use tributary_chassis::{
    outbox::{BoxError, Migration, SqlRow, SqlRows},
    timestamp::{from_micros, micros},
};

use crate::domain::{CancelCause, Cancellation, Order, OrderLine, OrderState, Orders, Payment, Token};

/// The published entity, and the collection of all orders.
pub(crate) const ORDERS: &str = "orders";
/// The collection of the orders that a saga still has to bring to its end.
pub(crate) const UNFINISHED: &str = "unfinished";

/// How an order is paid, as it is kept.
const INVOICE: &str = "INVOICE";
const CARD: &str = "CARD";

/// How the outbox finds and writes orders.
#[derive(Debug)]
pub(crate) struct Tables;

impl SqlRows for Tables {
    type Model = Orders;
    type Row<'a> = Row<'a>;

    const TABLE: &'static str = "orders";
    const KEY: &'static str = "order_id";
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "state",
        "cancel_cause",
        "cancel_reason",
        "confirm_time",
        "shipment_cancelled",
        "payment_method",
        "payment_token",
        "order_time",
        "currency_code",
        "total_minor_units",
        "lines",
        "note",
    ];
    const ON_SQLITE: &'static [Migration] = &[
        (1, "orders", include_str!("../migrations/sqlite/0001_orders.sql")),
        (2, "saga", include_str!("../migrations/sqlite/0002_saga.sql")),
    ];
    const ON_POSTGRES: &'static [Migration] =
        &[(1, "orders", include_str!("../migrations/postgres/0001_orders.sql"))];

    fn condition(collection: &str) -> Option<&'static str> {
        match collection {
            ORDERS => Some("TRUE"),
            UNFINISHED => Some("state IN ('PLACED', 'CANCELLING')"),
            _ => None,
        }
    }

    fn row(order: &Order) -> Row<'_> {
        let cancellation = order.state.cancellation();
        let (payment_method, payment_token) = match &order.payment {
            Payment::Invoice => (INVOICE, ""),
            Payment::Card(Token(token)) => (CARD, token.as_str()),
        };
        let shipment_cancelled =
            matches!(order.state, OrderState::Cancelling { shipment_cancelled: true, .. });
        Row {
            customer_id: &order.customer_id,
            state: order.state.name(),
            cancel_cause: cancellation.map_or("", |cancellation| cancellation.cause.name()),
            cancel_reason: cancellation.map_or("", |cancellation| cancellation.reason.as_str()),
            confirm_time: order.confirm_time.map(micros),
            shipment_cancelled: shipment_cancelled.into(),
            payment_method,
            payment_token,
            order_time: micros(order.order_time),
            currency_code: &order.currency_code,
            total_minor_units: order.total_minor_units,
            lines: order.lines.iter().cloned().map(Line::from).collect(),
            note: &order.note,
        }
    }

    fn read(row: &SqlRow<'_>) -> Result<Order, BoxError> {
        let Json(lines) = row.get::<Json<Vec<Line>>>("lines")?;
        Ok(Order {
            customer_id: row.get("customer_id")?,
            state: read_state(row)?,
            payment: read_payment(row.get("payment_method")?, row.get("payment_token")?)?,
            confirm_time: row.get::<Option<i64>>("confirm_time")?.map(from_micros),
            order_time: from_micros(row.get("order_time")?),
            currency_code: row.get("currency_code")?,
            total_minor_units: row.get("total_minor_units")?,
            lines: lines.into_iter().map(OrderLine::from).collect(),
            note: row.get("note")?,
        })
    }
}

/// An order, with the names of its columns.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
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

fn read_state(row: &SqlRow<'_>) -> Result<OrderState, BoxError> {
    let cancellation = || -> Result<Cancellation, BoxError> {
        Ok(Cancellation { cause: read_cause(row.get("cancel_cause")?)?, reason: row.get("cancel_reason")? })
    };
    Ok(match row.get::<&str>("state")? {
        "PLACED" => OrderState::Placed,
        "CONFIRMED" => OrderState::Confirmed,
        "CANCELLING" => OrderState::Cancelling {
            cancellation: cancellation()?,
            shipment_cancelled: row.get("shipment_cancelled")?,
        },
        "CANCELLED" => OrderState::Cancelled(cancellation()?),
        "DISPATCHED" => OrderState::Dispatched,
        "DELIVERED" => OrderState::Delivered,
        other => return Err(format!("`{other}` is no state of an order").into()),
    })
}

fn read_cause(cause: &str) -> Result<CancelCause, BoxError> {
    use CancelCause::{IdUsedBefore, OutOfStock, PaymentDeclined, Requested};
    let causes = [Requested, OutOfStock, PaymentDeclined, IdUsedBefore];
    let found = causes.into_iter().find(|known| known.name() == cause);
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
