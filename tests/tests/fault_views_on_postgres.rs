//! A gateway on PostgreSQL that is killed while views are filled and replaced.

#[path = "fault_views.rs"]
mod views;
