//! The orders in SQLite; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each order, with its lines in it; the tables of the outbox are
//! beside it in the same file.
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

use crate::domain::{Order, OrderLine, OrderState, Orders};

const LOAD: &str = "
    SELECT * FROM orders WHERE order_id IN (SELECT value FROM json_each(?1))";

const SCAN: &str = "
    SELECT * FROM orders WHERE order_id > ?1 ORDER BY order_id LIMIT ?2";

const REMOVE: &str = "
    DELETE FROM orders WHERE order_id IN (SELECT value FROM json_each(?1))";

const INSERT: &str = "
    INSERT INTO orders (order_id, customer_id, state, cancel_reason, order_time, currency_code,
                        total_minor_units, lines, note, sequence, version, create_time, update_time)
    SELECT value ->> 'order_id', value ->> 'customer_id', value ->> 'state', value ->> 'cancel_reason',
           value ->> 'order_time', value ->> 'currency_code', value ->> 'total_minor_units',
           value -> 'lines', value ->> 'note', value ->> 'sequence', value ->> 'version',
           value ->> 'create_time', value ->> 'update_time'
    FROM json_each(?1)";

/// The state of an order as it is kept.
const PLACED: &str = "PLACED";
const CANCELLED: &str = "CANCELLED";

/// How the outbox finds and writes orders.
#[derive(Debug)]
pub(crate) struct Tables;

type Entry = (String, Stored<Order>);

impl SqliteTables for Tables {
    type Model = Orders;

    fn migrations() -> Vec<(i64, &'static str, &'static str)> {
        vec![(1, "orders", include_str!("../migrations/0001_orders.sql"))]
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
        _collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, BoxError> {
        // No id is empty, so the empty text is before them all.
        let scan = sqlx::query(SCAN).bind(after.unwrap_or_default()).bind(i64::try_from(limit)?);
        scan.fetch_all(conn).await?.iter().map(read).collect()
    }
}

/// A row, with the names of its columns.
#[derive(Serialize)]
struct Row<'a> {
    order_id: &'a str,
    customer_id: &'a str,
    state: &'static str,
    cancel_reason: &'a str,
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
    let (state, cancel_reason) = match &order.state {
        OrderState::Placed => (PLACED, ""),
        OrderState::Cancelled { reason } => (CANCELLED, reason.as_str()),
    };
    Row {
        order_id,
        customer_id: &order.customer_id,
        state,
        cancel_reason,
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
        state: read_state(row.try_get("state")?, row.try_get("cancel_reason")?)?,
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

fn read_state(state: &str, reason: String) -> Result<OrderState, BoxError> {
    match state {
        PLACED => Ok(OrderState::Placed),
        CANCELLED => Ok(OrderState::Cancelled { reason }),
        other => Err(format!("`{other}` is no state of an order").into()),
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
