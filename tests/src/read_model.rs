//! The shop's read model behind a real gateway, while a test plays the six services with the messages of their contracts:
//! what they publish, what each insight must then be, computed in plain Rust, and what it is.

mod cast;
mod compare;
mod entities;
pub mod expected;
mod history;
mod played;

pub use cast::Cast;
pub use compare::compare;
pub use entities::{Entities, Entity};
pub use history::History;
pub use played::{Played, Script};
