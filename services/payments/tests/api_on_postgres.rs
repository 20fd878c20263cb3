//! What callers see of the payments service, with its store on PostgreSQL.

#[path = "api/main.rs"]
mod api;
