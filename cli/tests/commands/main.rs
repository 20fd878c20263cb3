//! The binary, against servers that know nothing of it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

mod any_server;
mod backup;
mod call;
mod fake;
mod load_shop;
mod program;
mod query;
mod status;
mod status_watch;
mod terminal;
mod up;
mod up_jaeger;
mod usage;
mod view;
