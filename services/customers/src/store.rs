//! The customers in SQLite; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each customer; the tables of the outbox are beside it in the same
//! file.
//!
//! Atomicity: the outbox calls these functions within its transaction, once for all commands of a
//! group. Each is one or two statements however many customers it is about, since a statement costs
//! more than a row: keys and rows travel as one JSON text.
//!
//! Crash: the rows commit with their changes, positions and replies, or not at all. Nothing is kept
//! outside of that transaction.

use serde::Serialize;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use tributary_chassis::{
    outbox::{BoxError, SqliteTables, Stored},
    timestamp::{from_micros, micros},
};

use crate::domain::{Customer, Customers};

const LOAD: &str = "
    SELECT * FROM customers WHERE customer_id IN (SELECT value FROM json_each(?1))";

const SCAN: &str = "
    SELECT * FROM customers WHERE customer_id > ?1 ORDER BY customer_id LIMIT ?2";

const REMOVE: &str = "
    DELETE FROM customers WHERE customer_id IN (SELECT value FROM json_each(?1))";

const INSERT: &str = "
    INSERT INTO customers (customer_id, display_name, email, region, segment,
                           sequence, version, create_time, update_time)
    SELECT value ->> 'customer_id', value ->> 'display_name', value ->> 'email', value ->> 'region',
           value ->> 'segment', value ->> 'sequence', value ->> 'version', value ->> 'create_time',
           value ->> 'update_time'
    FROM json_each(?1)";

/// How the outbox finds and writes customers.
#[derive(Debug)]
pub(crate) struct Tables;

type Entry = (String, Stored<Customer>);

impl SqliteTables for Tables {
    type Model = Customers;

    fn migrations() -> Vec<(i64, &'static str, &'static str)> {
        vec![(1, "customers", include_str!("../migrations/0001_customers.sql"))]
    }

    async fn load(conn: &mut SqliteConnection, keys: &[String]) -> Result<Vec<Entry>, BoxError> {
        let rows = sqlx::query(LOAD).bind(serde_json::to_string(keys)?).fetch_all(conn).await?;
        rows.iter().map(read).collect()
    }

    async fn save(
        conn: &mut SqliteConnection,
        writes: &[(String, Option<Stored<Customer>>)],
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
    customer_id: &'a str,
    display_name: &'a str,
    email: &'a str,
    region: &'a str,
    segment: &'a str,
    sequence: u64,
    version: u64,
    create_time: i64,
    update_time: i64,
}

fn row<'a>(customer_id: &'a str, stored: &'a Stored<Customer>) -> Row<'a> {
    let Customer { display_name, email, region, segment } = &stored.state;
    Row {
        customer_id,
        display_name,
        email,
        region,
        segment,
        sequence: stored.sequence,
        version: stored.version,
        create_time: micros(stored.create_time),
        update_time: micros(stored.update_time),
    }
}

fn read(row: &SqliteRow) -> Result<Entry, BoxError> {
    let customer = Customer {
        display_name: row.try_get("display_name")?,
        email: row.try_get("email")?,
        region: row.try_get("region")?,
        segment: row.try_get("segment")?,
    };
    let stored = Stored {
        state: customer,
        sequence: row.try_get("sequence")?,
        version: row.try_get("version")?,
        create_time: from_micros(row.try_get("create_time")?),
        update_time: from_micros(row.try_get("update_time")?),
    };
    Ok((row.try_get("customer_id")?, stored))
}
