//! What callers see of the orders service, with its store on PostgreSQL.

#[path = "api/main.rs"]
mod api;
