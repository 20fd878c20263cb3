//! The customers in SQLite or PostgreSQL; nothing else in this service knows that.
//!
//! Schema: `migrations/`. One row for each customer; the tables of the outbox are beside it in the same
//! database.
//!
//! Atomicity: the outbox reads and writes the rows within its transaction, once for all commands of a group.
//!
//! Crash: the rows commit with their changes, positions and replies, or not at all. Nothing is kept
//! outside of that transaction.

use serde::Serialize;
use tributary_chassis::outbox::{BoxError, Migration, SqlRow, SqlRows};

use crate::domain::{Customer, Customers};

/// The published entity, and the one collection.
pub(crate) const CUSTOMERS: &str = "customers";

/// How the outbox finds and writes customers.
#[derive(Debug)]
pub(crate) struct Tables;

impl SqlRows for Tables {
    type Model = Customers;
    type Row<'a> = Row<'a>;

    const TABLE: &'static str = "customers";
    const KEY: &'static str = "customer_id";
    const COLUMNS: &'static [&'static str] = &["display_name", "email", "region", "segment"];
    const ON_SQLITE: &'static [Migration] =
        &[(1, "customers", include_str!("../migrations/sqlite/0001_customers.sql"))];
    const ON_POSTGRES: &'static [Migration] =
        &[(1, "customers", include_str!("../migrations/postgres/0001_customers.sql"))];

    fn condition(collection: &str) -> Option<&'static str> {
        (collection == CUSTOMERS).then_some("TRUE")
    }

    fn row(customer: &Customer) -> Row<'_> {
        let Customer { display_name, email, region, segment } = customer;
        Row { display_name, email, region, segment }
    }

    fn read(row: &SqlRow<'_>) -> Result<Customer, BoxError> {
        Ok(Customer {
            display_name: row.get("display_name")?,
            email: row.get("email")?,
            region: row.get("region")?,
            segment: row.get("segment")?,
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
