//! The customers in SQLite; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each customer; the tables of the outbox are beside it in the same
//! file.
//!
//! Atomicity: the outbox reads and writes the rows within its transaction, once for all commands of a group.
//!
//! Crash: the rows commit with their changes, positions and replies, or not at all. Nothing is kept
//! outside of that transaction.

use serde::Serialize;
use sqlx::{Row as _, sqlite::SqliteRow};
use tributary_chassis::outbox::{BoxError, SqliteRows};

use crate::domain::{Customer, Customers};

/// The published entity, and the one collection.
pub(crate) const CUSTOMERS: &str = "customers";

/// How the outbox finds and writes customers.
#[derive(Debug)]
pub(crate) struct Tables;

impl SqliteRows for Tables {
    type Model = Customers;
    type Row<'a> = Row<'a>;

    const TABLE: &'static str = "customers";
    const KEY: &'static str = "customer_id";
    const COLUMNS: &'static [&'static str] = &["display_name", "email", "region", "segment"];

    fn migrations() -> Vec<(i64, &'static str, &'static str)> {
        vec![(1, "customers", include_str!("../migrations/0001_customers.sql"))]
    }

    fn condition(collection: &str) -> Option<&'static str> {
        (collection == CUSTOMERS).then_some("TRUE")
    }

    fn row(customer: &Customer) -> Row<'_> {
        let Customer { display_name, email, region, segment } = customer;
        Row { display_name, email, region, segment }
    }

    fn read(row: &SqliteRow) -> Result<Customer, BoxError> {
        Ok(Customer {
            display_name: row.try_get("display_name")?,
            email: row.try_get("email")?,
            region: row.try_get("region")?,
            segment: row.try_get("segment")?,
        })
    }
}

/// A customer, with the names of its columns.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    display_name: &'a str,
    email: &'a str,
    region: &'a str,
    segment: &'a str,
}
