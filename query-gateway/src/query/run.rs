//! One query from its first step to its last row.

use std::{sync::Arc, time::Instant as Clock};

use futures::TryStreamExt as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tributary_chassis::fault::{Fault, Reason};

use super::{Caps, Part, Statement, cell::Cell, failed, size, width};
use crate::{
    database::{Class, Connection, Dialect, Error, Row, Value},
    gateway::Gateway,
    source::AsOf,
};

/// Rows are sent on when they have this many bytes.
const FRAME_BYTES: usize = 64 << 10;

/// A query and where its answer goes.
pub(super) struct Run {
    pub(super) gateway: Gateway,
    pub(super) caps: Caps,
    pub(super) statement: Statement,
    /// Whether the statement stays prepared on its reader.
    pub(super) keep_prepared: bool,
    pub(super) deadline: Instant,
    /// Cancelled when nobody waits for the answer any more.
    pub(super) stop: CancellationToken,
    pub(super) parts: mpsc::Sender<Result<Part, Fault>>,
}

/// The caller went away: there is nobody to tell anything.
struct Gone;

/// How much of what the store answers was read.
enum Read {
    Whole,
    Partly,
}

impl Run {
    /// Tells `as_of` once the snapshot is taken, and then sends the parts. An error ends the answer.
    pub(super) async fn run(self, as_of: oneshot::Sender<Option<AsOf>>) -> Result<(), Fault> {
        let begun = Clock::now();
        let reader = timeout_at(self.deadline, self.gateway.store().query()).await;
        let mut reader = reader.map_err(|_| self.out_of_time())??;
        let layout = timeout_at(self.deadline, self.gateway.settled_layout()).await;
        let layout = layout.map_err(|_| self.out_of_time())?;
        // Of a database whose relations are being changed, this waits.
        let snapshot = timeout_at(self.deadline, reader.snapshot_of_layout()).await;
        let snapshot = snapshot.map_err(|_| self.out_of_time())?;
        let mut snapshot = snapshot.map_err(failed("opening a snapshot"))?;
        // The first read takes the snapshot: positions and rows are of the same commit.
        let positions = self.gateway.as_of(&mut snapshot).await?;
        let compiled_against = &self.statement.catalog;
        let is_current = Arc::ptr_eq(&self.gateway.catalog(), compiled_against)
            && positions.layout == compiled_against.layout;
        drop(layout);
        let layout = positions.layout;
        if !is_current {
            snapshot.rollback().await.map_err(failed("closing a snapshot"))?;
            self.catalog_of(layout).await?;
            // Nobody is to be told if nobody waits.
            let _ = as_of.send(None);
            return Ok(());
        }
        if as_of.send(Some(positions)).is_err() {
            return snapshot.rollback().await.map_err(failed("closing a snapshot"));
        }
        // Dropping the future of a statement would not stop it.
        let bound = snapshot.bound(self.deadline.into_std(), self.stop.clone());
        bound.await.map_err(failed("bounding a query"))?;
        let dialect = snapshot.dialect();
        let Some(read) = while_wanted(&self.stop, dialect, self.rows(&mut snapshot)).await else {
            return Ok(());
        };
        if dialect == Dialect::Postgres && !matches!(read, Ok(Read::Whole)) {
            // All that is left of the answer would have to be read first: it goes with the connection.
            return read.map(drop);
        }
        snapshot.unbound().await.map_err(failed("releasing a reader"))?;
        snapshot.rollback().await.map_err(failed("closing a snapshot"))?;
        tracing::debug!(micros = begun.elapsed().as_micros(), "answered");
        read.map(drop)
    }

    /// Waits until the catalog is no more the one that the statement was compiled against, which is not that of the store.
    async fn catalog_of(&self, layout: i64) -> Result<(), Fault> {
        let known = self.statement.catalog.layout;
        let mut catalogs = self.gateway.catalog_changes();
        let other = catalogs.wait_for(|catalog| known == layout || catalog.layout != known);
        match timeout_at(self.deadline, other).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Fault::new(Reason::Draining, "the gateway is about to stop")),
            Err(_) => {
                let text = "what can be read has changed, and this gateway does not know how so far: try again later";
                Err(Fault::new(Reason::Unavailable, text))
            }
        }
    }

    async fn rows(&self, snapshot: &mut Connection) -> Result<Read, Fault> {
        let Statement { compiled, arguments, max_rows, .. } = &self.statement;
        let limited = width::limited(snapshot.dialect(), compiled, self.caps.bytes);
        let text = limited.as_deref().unwrap_or(&compiled.text);
        let query = snapshot.composed(text).keep(self.keep_prepared);
        let arguments = arguments.iter().zip(&compiled.parameters);
        let query = query.bind_all(arguments.map(|(cell, parameter)| cell.argument(parameter.ty)));
        let mut rows = query.stream().await.map_err(|error| self.fault(error))?;
        let (mut frame, mut held, mut count, mut bytes) = (Vec::new(), 0, 0, 0);
        let truncated = loop {
            let Some(row) = rows.try_next().await.map_err(|error| self.fault(error))? else { break None };
            let fits = limited.is_none() || fits(&row, compiled.columns.len())?;
            let row = (0..).zip(&compiled.columns).map(|(i, column)| Cell::read(&row, i, column));
            let row: Vec<Cell> = row.collect::<Result<_, _>>().map_err(unreadable)?;
            count += 1;
            bytes += size(&row);
            if count > *max_rows {
                break Some(self.too_many_rows());
            }
            if bytes > self.caps.bytes || !fits {
                break Some(self.too_many_bytes());
            }
            held += size(&row);
            frame.push(row);
            if held >= FRAME_BYTES {
                held = 0;
                if self.send(Part::Rows(std::mem::take(&mut frame))).await?.is_err() {
                    return Ok(Read::Partly);
                }
            }
        };
        let read = if truncated.is_none() { Read::Whole } else { Read::Partly };
        let rest = (!frame.is_empty()).then_some(Part::Rows(frame));
        for part in rest.into_iter().chain(truncated.map(Part::Truncated)) {
            if self.send(part).await?.is_err() {
                break;
            }
        }
        Ok(read)
    }

    /// Waits for a slow caller, but not beyond the deadline: the snapshot is open meanwhile.
    async fn send(&self, part: Part) -> Result<Result<(), Gone>, Fault> {
        let sent = timeout_at(self.deadline, self.parts.send(Ok(part))).await;
        Ok(sent.map_err(|_| self.out_of_time())?.map_err(|_| Gone))
    }

    fn too_many_rows(&self) -> String {
        let (wanted, most) = (self.statement.max_rows, self.caps.rows);
        if wanted < most {
            format!("there are more than the {wanted} rows of max_rows: raise it, up to {most}")
        } else {
            format!("there are more than {most} rows, the most of one answer: add WHERE, GROUP BY or LIMIT")
        }
    }

    fn too_many_bytes(&self) -> String {
        let most = self.caps.bytes;
        format!("the answer is larger than {most} bytes, the most of one: select fewer columns or rows")
    }

    fn out_of_time(&self) -> Fault {
        out_of_time(self.caps)
    }

    fn fault(&self, error: Error) -> Fault {
        raised(error, self.caps)
    }
}

/// Whether all of a row is there, as its last column says.
fn fits(row: &Row, last: usize) -> Result<bool, Fault> {
    Ok(row.value(last).map_err(unreadable)? == Value::Bool(true))
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::internal("reading a row", error)
}

/// What a statement gives as long as somebody waits for that. On PostgreSQL it is stopped by dropping it, and then the
/// reader, whose transaction is open: the connection is closed, and the server looks after clients that are gone.
pub(super) async fn while_wanted<T>(
    stop: &CancellationToken,
    dialect: Dialect,
    statement: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = statement => Some(done),
        () = stop.cancelled(), if dialect == Dialect::Postgres => None,
    }
}

fn out_of_time(caps: Caps) -> Fault {
    let most = caps.time.as_secs_f64();
    let text = format!(
        "the query was stopped at its deadline, of at most {most} s: narrow it by WHERE, or join fewer tables"
    );
    Fault::new(Reason::DeadlineExceeded, text)
}

/// What went wrong inside of the database, as the caller's mistake where it is one.
pub(super) fn raised(error: Error, caps: Caps) -> Fault {
    match (error.class(), error.message()) {
        (Class::Interrupted, _) => out_of_time(caps),
        (Class::TooLarge, _) => {
            Fault::new(Reason::LimitExceeded, "a value of the query is too large: build smaller texts")
        }
        (Class::TooMuch, _) => {
            let text = "the query sorts or collects too much: narrow it by WHERE, or join fewer tables";
            Fault::new(Reason::LimitExceeded, text)
        }
        (Class::Denied, _) => Fault::new(Reason::InvalidRequest, "the query may only read tables and views"),
        // A division by zero, a cast that does not fit.
        (Class::Raised, Some(said)) => {
            Fault::new(Reason::InvalidRequest, format!("the query failed: {said}"))
        }
        _ => failed("running a query")(error),
    }
}
