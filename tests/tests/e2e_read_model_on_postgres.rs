//! The shop's read model against plain Rust, with the gateway on PostgreSQL.

#[path = "e2e_read_model.rs"]
mod read_model;
