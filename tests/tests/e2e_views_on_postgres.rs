//! Views by calls and files, with the gateway on PostgreSQL.

#[path = "e2e_views.rs"]
mod views;
