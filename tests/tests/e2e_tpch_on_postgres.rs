//! TPC-H in its official text, with the gateway on PostgreSQL.

#[path = "e2e_tpch.rs"]
mod tpch;
