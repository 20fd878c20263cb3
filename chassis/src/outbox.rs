//! The transactional outbox: state, change, position and the reply to the request id commit in one
//! transaction, and nobody is answered or shown anything before it is durable.
//!
//! A service describes itself by a [`Model`] (pure decisions), what it [`Published`], and where its
//! states lie ([`SqlRows`] or [`SledTables`]). The rest is the same for every store:
//!
//! ```text
//! execute -> queue -> writer thread: begin, decide, apply, sync, publish the head -> answer
//! follow: several commands and how far another's feed has been followed, the same way
//! get, list, replay, Log -> reader: read, then wait until what was read is durable
//! ```

mod batch;
mod call;
#[cfg(test)]
mod conformance;
mod group;
mod hooks;
mod log;
pub(crate) mod marker;
mod metrics;
mod migrations;
mod model;
mod open;
mod postgres;
mod progress;
mod rows;
mod sled;
mod spans;
mod sqlite;
mod store;
mod writer;

use std::{fmt, sync::Arc, time::SystemTime};

use prost::Message;
use tokio::sync::{mpsc, oneshot, watch};
use tributary_proto::feed::v1 as proto;

pub use call::{Call, REQUEST_ID_LIMIT};
pub use group::{CHANGES_LIMIT, COMMAND_LIMIT};
pub use model::{Entity, Model, Published, States, Stored, Write};
pub use open::{OpenError, OutboxOptions};
pub use rows::{Migration, SqlRow, SqlRows};
pub use sled::{STATE_LIMIT, SledTables};
pub use sqlite::scan_statement;
pub use store::{BoxError, Row, StateWrite};
pub(crate) use {postgres::rows as on_postgres, sqlite::rows as on_sqlite};

use crate::{
    backup,
    fault::{Fault, Reason},
    feed,
    position::{BadPosition, Position, Positions},
    trace::Trace,
    trail,
};
use group::{Asked, Job, Task};
pub(crate) use group::{Effect, Step, cause};
use store::{Reply, fault};

/// The kinds of store that there are, for backup and restore.
pub static STORES: [&dyn backup::Store; 2] = [&sqlite::STORE, &sled::STORE];

/// The same of a database.
pub static POSTGRES_STORES: [backup::PostgresStore; 1] = [postgres::STORE];

/// A service's own store, of whatever kind. Cheap to clone; all clones share one writer.
pub struct Outbox<M: Published> {
    shared: Arc<Shared<M>>,
}

struct Shared<M: Published> {
    queue: mpsc::Sender<Job<M>>,
    log: Arc<log::StoreLog<M>>,
}

impl<M: Published> Clone for Outbox<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M: Published> fmt::Debug for Outbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = &self.shared.log;
        write!(f, "Outbox({}/{})", log.service, log.epoch)
    }
}

impl<M: Published> Outbox<M> {
    /// The stored reply, if this call was answered before. To be asked before anything else is called on
    /// behalf of the request.
    pub async fn replay<R: Message + Default>(&self, call: &Call) -> Result<Option<R>, Fault> {
        let Some(id) = call.id() else { return Ok(None) };
        let log = &self.shared.log;
        let reply = log.reader.reply(id).await;
        let reply = reply.map_err(|error| fault("looking up the request id", error))?;
        log.progress.durable().await?;
        match reply {
            Some(reply) => Ok(Some(self.answer(group::replay(call, &reply)?)?)),
            None => Ok(None),
        }
    }

    /// Has a command decided and, when it is accepted, committed with its changes and its reply. Returns
    /// once all of it is durable; `respond` makes the reply from the states as the command left them, and
    /// may be called more than once.
    ///
    /// A dropped future does not take a command back.
    pub async fn execute<R: Message + Default + 'static>(
        &self,
        call: Call,
        command: M::Command,
        respond: impl Fn(&States<M>) -> R + Send + 'static,
    ) -> Result<R, Fault> {
        let respond = Box::new(move |states: &States<M>| respond(states).encode_to_vec());
        let asked = Asked::new(call, command);
        match self.submit(Task::Call { asked, positions: trail::current(), respond }).await? {
            Ok(reply) => self.answer(reply),
            Err(fault) => {
                // A rejection stands on what it looked at.
                self.reached();
                Err(fault)
            }
        }
    }

    /// Through where `source` was followed, by [`Outbox::follow`].
    pub(crate) async fn followed(&self, source: &str) -> Result<Option<proto::Position>, Fault> {
        let position = self.shared.log.reader.followed(source).await;
        let position = position.map_err(|error| fault("reading the followed position", error))?;
        self.shared.log.progress.durable().await?;
        Ok(position)
    }

    /// Has the commands of a step decided and committed, all of them or none, in one transaction with the
    /// position that they bring the follower to. Returns once it is durable.
    pub(crate) async fn follow(&self, step: Step<M>) -> Result<(), Fault> {
        self.submit(Task::Step(step)).await?.map(drop)
    }

    /// Queues a task. The outer error says that it has not come to be decided, or that nobody knows.
    async fn submit(&self, task: Task<M>) -> Result<Result<Reply, Fault>, Fault> {
        let (answer, answered) = oneshot::channel();
        let job = Job { task, queued: SystemTime::now(), answer };
        self.shared.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                let text = "too many commands wait for the store: try again later";
                Fault::new(Reason::Overloaded, text).retry_after(open::QUEUE_RETRY)
            }
            mpsc::error::TrySendError::Closed(_) => progress::unavailable(),
        })?;
        answered.await.map_err(|_| {
            let text = "the store closed before it answered: ask again under the same request_id";
            Fault::new(Reason::OutcomeUnknown, text)
        })
    }

    /// The durable state of a key.
    pub async fn get(&self, key: &M::Key) -> Result<Option<Stored<M::State>>, Fault> {
        let stored = self.shared.log.reader.get(key).await;
        let stored = stored.map_err(|error| fault("reading the state", error))?;
        self.shared.log.settled().await?;
        self.reached();
        Ok(stored)
    }

    /// Up to `limit` durable states of a collection in order of their id, behind `after`.
    pub async fn list(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row<M>>, Fault> {
        let rows = self.shared.log.reader.list(collection, after, limit).await;
        let rows = rows.map_err(|error| fault("reading the states", error))?;
        self.shared.log.settled().await?;
        self.reached();
        Ok(rows)
    }

    /// The changes, for the feed.
    pub fn log(&self) -> Arc<dyn feed::Log> {
        Arc::clone(&self.shared.log) as _
    }

    /// In which trace the change of this sequence was made; none if it is not kept any more.
    pub async fn trace(&self, sequence: u64) -> Result<Option<Trace>, Fault> {
        match feed::Log::page(&*self.shared.log, sequence.saturating_sub(1), 1).await {
            Ok(page) => {
                let record = page.into_iter().find(|record| record.change.sequence == sequence);
                Ok(record.map(|record| Trace::of(&record.change)))
            }
            Err(fault) if fault.reason() == Reason::PositionExpired => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether this process does what has to be done once, of all that share the store: follow others, bring on what is
    /// unfinished. For a moment two may believe so, and what they do must bear that.
    pub fn leads(&self) -> watch::Receiver<bool> {
        self.shared.log.progress.leads()
    }

    /// Resolves when the writer stopped because it could not make a group durable. Nothing is answered any
    /// more; the process must exit, and the next start rewrites the store.
    pub async fn stopped(&self) -> Fault {
        self.shared.log.progress.failed().await;
        Fault::new(Reason::Unavailable, "the store stopped: what it wrote last may not be durable")
    }

    /// The reply message, with what it stands on brought back into the trail.
    fn answer<R: Message + Default>(&self, reply: Reply) -> Result<R, Fault> {
        let positions = reply.positions.parse::<Positions>();
        let mut positions = positions.map_err(|error: BadPosition| corrupt(error.into()))?;
        let (service, epoch) = (&self.shared.log.service, &self.shared.log.epoch);
        let own = positions.iter().find(|position| position.service == *service).cloned();
        // In a store that was restored since, the reply has the epoch before, and its effects are part of this
        // history, under the same sequence.
        own.into_iter().for_each(|own| positions.merge(Position { epoch: epoch.clone(), ..own }));
        trail::merge(&positions);
        R::decode(reply.body.as_slice()).map_err(|error| corrupt(error.into()))
    }

    /// Notes that the call at hand stands on everything durable up to now.
    fn reached(&self) {
        let log = &self.shared.log;
        let sequence = log.progress.head().borrow().sequence;
        trail::reached(Position { service: log.service.clone(), epoch: log.epoch.clone(), sequence });
    }
}

fn corrupt(error: BoxError) -> Fault {
    Fault::internal("reading the stored reply", error)
}
