//! The sources: one task follows each, and hands what it decoded to the one writer.

mod as_of;
mod status;

pub use as_of::AsOf;
pub use status::{SourceState, SourceStatus};
