//! Everything that a service of the mesh does the same way, proven correct once.

pub mod fault;
pub mod feed;
pub mod outbox;
pub mod position;
pub mod resource;
