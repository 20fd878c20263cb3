//! The transactional outbox: state, change, position and reply commit in one transaction.

mod model;

pub use model::{Entity, Model, Published, States, Stored, Write};
