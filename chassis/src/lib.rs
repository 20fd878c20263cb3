//! Everything that a service of the mesh does the same way, proven correct once.

mod admin;
mod around;
pub mod backup;
#[cfg(test)]
mod callee;
mod cut;
pub mod database;
pub mod deadline;
pub mod fault;
pub mod feed;
pub mod following;
mod inbound;
pub mod lock;
pub mod occupant;
pub mod outbound;
pub mod outbox;
mod outcome;
pub mod paging;
pub mod position;
#[cfg(test)]
mod puppet;
mod readiness;
pub mod replica;
mod resolve;
pub mod resource;
mod run;
pub mod server;
pub mod settings;
mod shutdown;
pub mod store_size;
mod telemetry;
pub mod testing;
mod timeout;
pub mod timestamp;
pub mod trace;
pub mod trail;
pub mod validate;

pub use readiness::ReadyHandle;
pub use run::{StartError, run, run_checked, run_service};
pub use server::{MAX_MESSAGE_BYTES, Server};
pub use settings::{OutboxArgs, ServerArgs, ServiceArgs, StoreArgs};
