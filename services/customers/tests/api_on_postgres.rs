//! What callers see of the customers service, with its store on PostgreSQL.

#[path = "api/main.rs"]
mod api;
