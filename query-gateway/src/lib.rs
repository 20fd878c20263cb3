//! The query gateway: follows the feeds of a mesh, keeps one read model of them, and answers questions about it.

pub mod catalog;
pub mod error;
pub mod gateway;
pub mod schema;
pub mod source;
pub mod store;
