//! Schemas of a library: what becomes which column, what is refused, what may change.

mod evolution;
mod refusals;
mod tables;
mod wire;
