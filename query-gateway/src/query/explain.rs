//! Explains rows within the caps of ad-hoc queries: what a row follows from can be a whole table.

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tributary_chassis::fault::{Fault, Reason};

use super::{
    Asker, Queries, failed,
    run::{raised, while_wanted},
};
use crate::{
    database::Error,
    lineage::{self, Explained, Part},
    source::AsOf,
    view::Views,
};

/// Which rows are to be explained.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// A table or view.
    pub(crate) name: String,
    /// What the rows have; all are explained if that is nothing.
    pub(crate) key: Vec<Part>,
    /// Changes wanted.
    pub(crate) limit: u32,
}

/// What rows follow from.
#[derive(Debug)]
pub(crate) struct Origins {
    pub(crate) explained: Explained,
    /// What that stands on.
    pub(crate) as_of: AsOf,
    /// Names of the sources, in the order in which `as_of` has them.
    pub(crate) sources: Vec<String>,
}

impl Queries {
    /// Tells from which changes rows follow. That there are none is NOT_FOUND.
    pub(crate) async fn explain(&self, views: &Views, rows: Rows) -> Result<Origins, Fault> {
        let slot = self.slot(Asker::AdHoc).await?;
        let (stop, deadline) = (CancellationToken::new(), self.answer_by());
        let asked = Asked { queries: self.clone(), views: views.clone(), rows, deadline, stop: stop.clone() };
        let _stop = stop.drop_guard();
        // In a task of its own: a caller that goes away must not leave a transaction open on the reader.
        let task = tokio::spawn(async move {
            let answered = asked.run().await;
            drop(slot);
            answered
        });
        task.await.map_err(|error| Fault::internal("explaining a row", error))?
    }
}

struct Asked {
    queries: Queries,
    views: Views,
    rows: Rows,
    deadline: Instant,
    /// Cancelled when nobody waits for the answer any more.
    stop: CancellationToken,
}

impl Asked {
    async fn run(self) -> Result<Origins, Fault> {
        let gateway = self.queries.gateway();
        let reader = timeout_at(self.deadline, gateway.store().read()).await;
        let mut reader = reader.map_err(|_| self.out_of_time())??;
        let graph = timeout_at(self.deadline, self.views.graph(&self.rows.name)).await;
        let (graph, settled) = graph.map_err(|_| self.out_of_time())??;
        let mut snapshot = reader.snapshot_of_layout().await.map_err(failed("opening a snapshot"))?;
        // The first read takes the snapshot: positions and rows are of the same commit.
        let as_of = gateway.as_of(&mut snapshot).await?;
        drop(settled);
        if as_of.layout != graph.catalog.layout {
            let text = "what can be read has changed, and another gateway knows how: try again later";
            return Err(Fault::new(Reason::Unavailable, text));
        }
        let trace = lineage::trace(&graph, &self.rows.key)?;
        let bound = snapshot.bound(self.deadline.into_std(), self.stop.clone());
        bound.await.map_err(failed("bounding a query"))?;
        let dialect = snapshot.dialect();
        let read = lineage::read(&mut snapshot, &graph, &trace, self.rows.limit);
        // Nobody hears of it if nobody waits.
        let read = while_wanted(&self.stop, dialect, read).await.ok_or_else(|| self.out_of_time())?;
        snapshot.unbound().await.map_err(failed("releasing a reader"))?;
        snapshot.rollback().await.map_err(failed("closing a snapshot"))?;
        let explained = read.map_err(|error| self.fault(error))?;
        let explained =
            explained.map_err(|error| Fault::internal("reading what a row follows from", error))?;
        if explained.rows == 0 {
            let text = format!("no row of {} has that key", self.rows.name);
            return Err(Fault::new(Reason::NotFound, text));
        }
        let sources = gateway.sources().into_iter().map(|source| source.name).collect();
        Ok(Origins { explained, as_of, sources })
    }

    fn fault(&self, error: Error) -> Fault {
        match raised(error, self.queries.caps()) {
            fault if fault.reason() == Reason::DeadlineExceeded => self.out_of_time(),
            fault => fault,
        }
    }

    fn out_of_time(&self) -> Fault {
        let most = self.queries.caps().time.as_secs_f64();
        let text = format!(
            "explaining was stopped at its deadline, of at most {most} s: name more of the key, or create an index on what \
             is grouped by"
        );
        Fault::new(Reason::DeadlineExceeded, text)
    }
}
