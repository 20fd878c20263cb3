//! The writer against a model of a library: whatever the order of steps and wherever it stops, the tables
//! are what the source was at the stored position.

mod apply;
pub(crate) mod attacks;
mod backup;
mod lead;
pub(crate) mod library;
pub(crate) mod place;
mod reader;
mod server;
mod snapshot;
mod tls;
mod writers;
