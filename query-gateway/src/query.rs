//! Runs compiled queries: each on a reader of its own, in one snapshot together with the positions that the
//! answer stands on, and within caps. What runs longer than its caller listens is stopped.

pub mod cell;
pub(crate) mod explain;
mod fresh;
mod run;
mod width;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Response;
use tributary_chassis::{
    deadline,
    fault::{Fault, Reason},
    position::AS_OF,
    trail,
};
use tributary_proto::query::v1 as proto;

pub use self::fresh::{Freshness, MAX_STALENESS};
use self::{cell::Cell, run::Run};
use crate::{
    catalog::{Catalog, Column},
    database,
    error::StoreError,
    gateway::Gateway,
    source::AsOf,
    sql::Compiled,
};

/// What one query may take.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// From its first step to its last row delivered.
    pub time: Duration,
    /// Rows of an answer.
    pub rows: usize,
    /// Bytes of an answer.
    pub bytes: usize,
    /// Ad-hoc queries that run at once; others wait within their deadline.
    pub ad_hoc: usize,
    /// The same for typed queries.
    pub typed: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), rows: 10_000, bytes: 8 << 20, ad_hoc: 4, typed: 8 }
    }
}

/// Who asks. Each kind has slots of its own, so that ad-hoc SQL cannot starve the typed queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// SQL that a caller wrote.
    AdHoc,
    /// SQL of an API file.
    Typed,
}

/// A compiled query with the values of its parameters, in the order of `Compiled::parameters`.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What to run.
    pub compiled: Arc<Compiled>,
    /// What it was compiled against.
    pub catalog: Arc<Catalog>,
    /// One for each parameter.
    pub arguments: Vec<Cell>,
    /// Rows wanted; more are a [`Part::Truncated`].
    pub max_rows: usize,
}

/// A query that is running. Dropping it stops the query.
#[derive(Debug)]
pub struct Answer {
    /// What it stands on.
    pub as_of: AsOf,
    parts: mpsc::Receiver<Result<Part, Fault>>,
    _stop: DropGuard,
}

/// A piece of an answer.
#[derive(Debug)]
pub enum Part {
    /// The next rows, each with one cell per column.
    Rows(Vec<Vec<Cell>>),
    /// Last, and only when there are more rows than the answer has: why, and what to do.
    Truncated(String),
}

impl Answer {
    /// The next piece; `None` behind the last.
    pub async fn next(&mut self) -> Option<Result<Part, Fault>> {
        self.parts.recv().await
    }
}

/// Runs queries on the gateway's store; clones share the slots.
#[derive(Clone, Debug)]
pub struct Queries {
    gateway: Gateway,
    caps: Caps,
    ad_hoc: Arc<Semaphore>,
    typed: Arc<Semaphore>,
}

impl Queries {
    /// With slots of its own.
    pub fn new(gateway: Gateway, caps: Caps) -> Self {
        let [ad_hoc, typed] = [caps.ad_hoc, caps.typed].map(|slots| Arc::new(Semaphore::new(slots)));
        Self { gateway, caps, ad_hoc, typed }
    }

    /// What is queried.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The caps that hold.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// Waits until everything that `freshness` asks for is applied, for as long as [`Caps::time`] and not
    /// beyond the call's deadline.
    pub async fn reach(&self, freshness: &Freshness) -> Result<(), Fault> {
        freshness.reach(&self.gateway, self.answer_by()).await
    }

    /// Waits for a slot, within the same bounds, and starts: then they count anew. `None` if the relations have changed since
    /// the statement was compiled: it is to be compiled again.
    pub async fn start(&self, asker: Asker, statement: Statement) -> Result<Option<Answer>, Fault> {
        let slot = self.slot(asker).await?;
        let (stop, (tell, told), (sender, mut parts)) =
            (CancellationToken::new(), oneshot::channel(), mpsc::channel(1));
        let run = Run {
            gateway: self.gateway.clone(),
            caps: self.caps,
            statement,
            // API files are few and asked often, what strangers ask is asked once.
            keep_prepared: asker == Asker::Typed,
            deadline: self.answer_by(),
            stop: stop.clone(),
            parts: sender.clone(),
        };
        // In a task of its own: a caller that goes away must not leave a transaction open on the reader.
        tokio::spawn(async move {
            let ended = run.run(tell).await;
            // Before the end is told, for which a slow caller lets wait.
            drop(slot);
            if let Err(fault) = ended {
                // This fails when nobody listens any more, and then nobody is to be told.
                let _ = sender.send(Err(fault)).await;
            }
        });
        let stop = stop.drop_guard();
        match told.await {
            Ok(as_of) => Ok(as_of.map(|as_of| Answer { as_of, parts, _stop: stop })),
            Err(_) => Err(match parts.recv().await {
                Some(Err(fault)) => fault,
                _ => Fault::internal("running a query", "it ended without an answer"),
            }),
        }
    }

    /// By when to have answered: a little before the call's deadline, so that the caller hears why.
    fn answer_by(&self) -> Instant {
        let cap = Instant::now() + self.caps.time;
        let Some(left) = deadline::remaining() else { return cap };
        cap.min(Instant::now() + left - (left / 10).min(Duration::from_millis(100)))
    }

    async fn slot(&self, asker: Asker) -> Result<OwnedSemaphorePermit, Fault> {
        let (slots, count) = match asker {
            Asker::AdHoc => (&self.ad_hoc, self.caps.ad_hoc),
            Asker::Typed => (&self.typed, self.caps.typed),
        };
        match timeout_at(self.answer_by(), slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(closed)) => Err(Fault::internal("waiting for a slot", closed)),
            Err(_) => Err(Fault::new(
                Reason::Overloaded,
                format!("{count} queries run already, and none ended in time: try again later"),
            )
            .retry_after(Duration::from_secs(1))),
        }
    }
}

/// Bytes that a row takes in an answer.
fn size(row: &[Cell]) -> usize {
    row.iter().map(Cell::size).sum()
}

/// What a reader could not do.
fn failed(operation: &'static str) -> impl Fn(database::Error) -> Fault {
    move |error| StoreError::sql(operation)(error).into()
}

/// The columns as callers see them.
pub fn columns(columns: &[Column]) -> Vec<proto::Column> {
    columns.iter().map(|c| proto::Column { name: c.name.clone(), r#type: c.ty.to_string() }).collect()
}

/// Says in the metadata of a response what it stands on.
pub fn stand_on<T>(mut response: Response<T>, as_of: &AsOf) -> Result<Response<T>, Fault> {
    let text = as_of.to_string().parse().map_err(|error| Fault::internal("writing the positions", error))?;
    response.metadata_mut().insert(AS_OF, text);
    trail::merge(&as_of.positions());
    trail::reached(as_of.own.clone());
    Ok(response)
}

#[cfg(test)]
pub(crate) mod library;
#[cfg(test)]
mod tests;
