//! Fills a version of a view, a chunk per transaction, so that changes go on in between.

use std::time::{Duration, Instant, SystemTime};

use tributary_chassis::trace::{Live, Tracer};

use super::{Writing, maintained::execute_all};
use crate::{
    database::{Batch, Connection, Error},
    delta::{
        plan::NodeId,
        statements::{Driver, Progress, Version},
    },
    error::StoreError,
    sql::relational::SourceId,
};

/// How long a chunk may keep changes waiting.
const CHUNK_TIME: Duration = Duration::from_millis(100);

/// Rows of the first chunk.
pub(crate) const FIRST_SIZE: usize = 500;

/// Where even so few take longer it is not for the rows, and fewer would only make it last.
const MIN_SIZE: usize = 64;

/// Beyond this a larger chunk is no faster and only takes memory.
const MAX_SIZE: usize = 20_000;

/// Where the filling of one version stands.
#[derive(Debug)]
pub(crate) struct Fill {
    number: i64,
    /// Whether nothing was taken of the block at hand.
    first: bool,
    size: usize,
    rows: u64,
    /// Rows of the blocks that have begun.
    total: u64,
    began: SystemTime,
}

impl Fill {
    /// Of that version, with so many rows at first: how long they take tells how many follow.
    pub(crate) fn new(number: i64, size: usize) -> Self {
        Self { number, first: true, size, rows: 0, total: 0, began: SystemTime::now() }
    }

    /// How many rows the next chunk has, however long the last one took.
    #[cfg(test)]
    pub(crate) fn set_size(&mut self, size: usize) {
        self.size = size;
    }

    /// Which version.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// Tells of it: to be kept until it is over.
    pub(crate) fn span(&self, view: &str) -> Live {
        let span = Tracer::default().batch(format!("build {view}"), self.began, []);
        span.with("tributary.view", view.to_owned()).with("tributary.rows", self.rows.cast_signed())
    }

    /// Rows that it was filled from so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows there are to be filled from, as far as that is known.
    pub(crate) fn total(&self) -> u64 {
        self.total.max(self.rows)
    }

    /// One transaction's worth of filling; whether the version is complete. If it fails, nothing of it is there.
    pub(crate) async fn step(&mut self, writing: &mut Writing) -> Result<bool, StoreError> {
        let Writing { connection, maintained } = writing;
        let Some(kept) = maintained.get_mut(self.number) else { return Ok(true) };
        let Some(node) = kept.open_node() else { return Ok(true) };
        let failed = StoreError::of_view(kept.version.number, kept.name.clone());
        let started = Instant::now();
        let mut tx = connection.begin().await?;
        let next = match kept.progress[node.0] {
            Progress::Filling { block, leaf } => {
                let taken = self.take(&mut tx, &kept.version, node, (block, leaf)).await.map_err(&failed)?;
                if taken > 0 {
                    // The same for each chunk.
                    let fill = Batch::new(tx.dialect(), kept.version.fill_chunk(node, block, leaf));
                    tx.run(&fill).await.map_err(&failed)?;
                    None
                } else {
                    Some(begin(&mut tx, &kept.version, node, block + 1).await.map_err(&failed)?)
                }
            }
            Progress::Empty | Progress::Filled => {
                Some(begin(&mut tx, &kept.version, node, 0).await.map_err(&failed)?)
            }
        };
        tx.commit().await.map_err(&failed)?;
        match next {
            Some((progress, rows)) => {
                kept.moved_to(node, progress);
                self.first = true;
                // Rows may have come and gone on the way.
                self.total = self.rows + rows;
            }
            None => self.adapt(started.elapsed()),
        }
        Ok(kept.is_complete())
    }

    /// Takes the next chunk, and says how many rows it has.
    async fn take(
        &mut self,
        tx: &mut Connection,
        version: &Version,
        node: NodeId,
        (block, leaf): (usize, SourceId),
    ) -> Result<u64, Error> {
        let chunk = version.take_chunk(node, block, leaf, self.first, self.size);
        let mut taken = 0;
        for (at, statement) in chunk.statements.into_iter().enumerate() {
            let rows = tx.composed(statement).execute().await?;
            if at == chunk.counted {
                taken = rows;
            }
        }
        self.first = false;
        self.rows += taken;
        Ok(taken)
    }

    fn adapt(&mut self, took: Duration) {
        if took < CHUNK_TIME / 2 {
            self.size = (self.size * 2).min(MAX_SIZE);
        } else if took > CHUNK_TIME {
            self.size = (self.size / 2).max(MIN_SIZE.min(self.size));
        }
    }
}

/// Begins a block of a node, from the largest of the leaves that it can be filled from: the others are looked up. With how
/// many rows it has.
async fn begin(
    tx: &mut Connection,
    version: &Version,
    node: NodeId,
    block: usize,
) -> Result<(Progress, u64), Error> {
    if block >= version.blocks(node) {
        execute_all(tx, version.end_blocks(node)).await?;
        return Ok((Progress::Filled, 0));
    }
    let mut best: Option<(i64, SourceId)> = None;
    for Driver { leaf, table } in version.drivers(node, block) {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let rows: i64 = tx.composed(count).keep(false).one().await?;
        if best.is_none_or(|(most, _)| rows > most) {
            best = Some((rows, leaf));
        }
    }
    let Some((rows, leaf)) = best else { return Ok((Progress::Filled, 0)) };
    execute_all(tx, version.begin_block(node, block, leaf)).await?;
    Ok((Progress::Filling { block, leaf }, rows.cast_unsigned()))
}
