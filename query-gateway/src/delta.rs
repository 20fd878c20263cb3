//! How a materialized view follows the changes of its tables: from the relational form of its query to a plan, and from
//! the plan to what a store runs for each change.
//!
//! 1. [`mod@compile`]: relational form to [`plan`]. What cannot be kept by changes alone is refused.
//! 2. [`terms`]: by which terms a block of a plan changes.
//! 3. [`statements`]: a plan as the statements of a store.
//!
//! [`explain`] shows a plan to people.
//!
//! The plan knows no SQL text: what differs between stores is in the third step.

pub mod compile;
pub mod explain;
mod lookups;
pub(crate) mod mutant;
pub mod plan;
pub mod statements;
pub mod terms;

pub use compile::{Context, compile};
pub use plan::Plan;

#[cfg(test)]
pub(crate) mod tests;
