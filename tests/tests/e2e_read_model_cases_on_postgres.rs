//! The shop's read model by hand, with the gateway on PostgreSQL.

#[path = "e2e_read_model_cases.rs"]
mod read_model_cases;
