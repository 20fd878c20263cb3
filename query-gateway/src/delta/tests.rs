//! Each stage alone: what a query compiles to, by which terms a block changes, what the statements read, and how nodes
//! are filled while their tables change.

mod documented;
mod filling;
mod identity;
mod keeping;
pub(crate) mod library;
mod order;
mod plans;
mod refusals;
mod statements;
mod terms;
