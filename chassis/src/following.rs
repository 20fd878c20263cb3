//! Following another service's feed into one's own store: what happens there has its effects here, each
//! exactly as often as it happened, through crashes on both sides.
//!
//! A service says whom it follows ([`Source`]) and what a change gives to do, as commands of its own
//! [`Model`](crate::outbox::Model). The rest is done here: connecting again, taking a snapshot where that is needed, storing the
//! position in the one transaction of its effects, and telling how it goes by logs and metrics.
//!
//! ```text
//! let loans = Source { service: "loans", endpoint: config.loans, entities: &["loans"] };
//! following::start(&server, outbox.clone(), loans, |change| {
//!     let loan: Loan = following::value(change)?;
//!     Ok(match loan.state() {
//!         LoanState::Granted => vec![Command::Prepare { loan_id: loan.loan_id }],
//!         _ => vec![],
//!     })
//! });
//! ```
//!
//! # What commands have to be like
//!
//! **By state.** A snapshot has rows and no events: what is to be done is decided by what the entity is now,
//! and a state may be skipped.
//!
//! **Monotonic.** After a snapshot, and after a crash within one, older changes come again: a command whose
//! effect is there, or has been overtaken, writes nothing. It is accepted; a rejection is for what can
//! never be. What vanished at the source while a snapshot was due is not told of.
//!
//! **Never rejected.** Nothing is skipped in silence: a change that cannot be decoded, or whose command is
//! rejected, ends the following where it is ([`State::Stopped`], an error in the log, the metric
//! `tributary_following_stopped`). The next start of the service tries it again.
//!
//! Of several processes that share a store, one follows: see [`Outbox::leads`](crate::outbox::Outbox::leads).
//!
//! The service itself is ready and serves, whatever its sources do.

mod metrics;
mod spans;
mod task;
#[cfg(test)]
mod tests;

use http::Uri;
use opentelemetry::global;
use prost::{Message, Name};
use tokio::sync::watch;
use tributary_proto::feed::v1::Change;

use crate::{
    outbox::{BoxError, Outbox, Published},
    server::Server,
    telemetry::SCOPE,
};
use metrics::Metrics;
use task::Task;

/// Whom to follow.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it calls itself. Should another service answer, it is not followed.
    pub service: &'static str,
    /// For example `http://127.0.0.1:50054`.
    pub endpoint: Uri,
    /// What is followed of it.
    pub entities: &'static [&'static str],
}

/// How the following goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Another of the processes that share the store follows.
    Standby,
    /// The source cannot be reached. It is tried again by itself.
    Disconnected,
    /// Its changes come, and have their effects.
    Connected,
    /// Nothing more comes until the service starts anew.
    Stopped {
        /// For people: what was found.
        reason: String,
    },
}

/// Follows `source` from where the store says, until `server` shuts down. `react` says what a change, or a row
/// of a snapshot, gives to do; it is pure, and may be asked more than once.
///
/// What is returned need not be kept.
pub fn start<M: Published>(
    server: &Server,
    outbox: Outbox<M>,
    source: Source,
    react: impl Fn(&Change) -> Result<Vec<M::Command>, BoxError> + Send + Sync + 'static,
) -> watch::Receiver<State> {
    let (state, told) = watch::channel(State::Standby);
    let metrics = Metrics::new(&global::meter(SCOPE), source.service);
    let task = Task::new(server.name(), outbox, source, Box::new(react), state, metrics);
    let shutdown = server.shutdown();
    tokio::spawn(async move { shutdown.run_until_cancelled(task.run()).await });
    told
}

/// Why a change cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// It carries something else.
    #[error("it carries `{found}`, not `{expected}`")]
    Foreign {
        /// The type URL that it has.
        found: String,
        /// The type URL that was expected.
        expected: String,
    },
    /// It does not carry what it says.
    #[error("its value cannot be decoded")]
    Malformed(#[from] prost::DecodeError),
}

/// The message that a change carries: the entity, or of a deleted one its key fields alone.
pub fn value<T: Message + Name + Default>(change: &Change) -> Result<T, Undecodable> {
    let (found, bytes) = match &change.value {
        Some(any) => (any.type_url.as_str(), any.value.as_slice()),
        None => ("", &[][..]),
    };
    if found != T::type_url() {
        return Err(Undecodable::Foreign { found: found.to_owned(), expected: T::type_url() });
    }
    Ok(T::decode(bytes)?)
}
