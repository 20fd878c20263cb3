//! The saga of an order, with the orders on PostgreSQL.

#[path = "saga/main.rs"]
mod saga;
