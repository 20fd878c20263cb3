//! Changes of any number of sources into the base tables: one transaction, positions included.

use tributary_proto::feed::v1::Position;

use super::{
    Writing,
    load::Filled,
    rows::{self, Gains},
    statements::{Place, Statements},
    visible::Command,
    work::Changes,
};
use crate::{database::Connection, error::StoreError, schema::Image};

/// Changes of one source that follow on each other.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) through: Position,
    pub(super) images: Vec<Image>,
    pub(super) commands: Vec<Command>,
    pub(super) commit_time: Option<i64>,
}

impl Batch {
    /// What of `frames` is not applied yet. A frame that is applied whole has no effect; one that does not
    /// follow is told by its number.
    pub(super) fn of(filled: &Filled, frames: Vec<Changes>) -> Result<Self, StoreError> {
        let through = filled.position.clone();
        let mut batch = Self { through, images: Vec::new(), commands: Vec::new(), commit_time: None };
        for frame in frames {
            if follows(&batch.through, &frame)? {
                batch.images.extend(frame.images);
                batch.commands.extend(frame.commands);
                batch.commit_time = frame.commit_time.or(batch.commit_time);
                batch.through = frame.through;
            }
        }
        Ok(batch)
    }
}

/// Whether a frame begins at `position`; not if `position` contains it already.
pub(super) fn follows(position: &Position, frame: &Changes) -> Result<bool, StoreError> {
    let same_history = (&position.service, &position.epoch) == (&frame.after.service, &frame.after.epoch);
    if same_history && frame.through.sequence <= position.sequence {
        return Ok(false);
    }
    if *position == frame.after {
        return Ok(true);
    }
    Err(StoreError::Moved { at: text(position), expected: text(&frame.after) })
}

fn text(position: &Position) -> String {
    tributary_chassis::position::Position::from(position).to_string()
}

/// Applies `batches` and tells the new commit sequence. Nothing is applied if one of them cannot be.
pub(super) async fn commit(
    writing: &mut Writing,
    statements: &mut Statements,
    batches: &[(String, Filled, Batch)],
) -> Result<u64, StoreError> {
    let applied = apply(writing, statements, batches).await;
    if applied.is_err() {
        writing.maintained.rolled_back();
    }
    applied
}

async fn apply(
    writing: &mut Writing,
    statements: &mut Statements,
    batches: &[(String, Filled, Batch)],
) -> Result<u64, StoreError> {
    let Writing { connection, maintained } = writing;
    let (mut tx, commit) = connection.begin_commit().await?;
    for (source, filled, batch) in batches {
        let (schema, images) = (&filled.schema, &batch.images);
        let gains =
            rows::replace(&mut tx, statements, Place::Base, schema, images, Some(&mut *maintained)).await?;
        count_rows(&mut tx, gains).await?;
        advance(&mut tx, source, filled, batch).await?;
    }
    tx.commit().await.map_err(StoreError::sql("committing"))?;
    Ok(commit)
}

/// By compare-and-set: two who apply the same changes cannot both succeed.
async fn advance(
    tx: &mut Connection,
    source: &str,
    filled: &Filled,
    batch: &Batch,
) -> Result<(), StoreError> {
    let Position { epoch, sequence, .. } = &filled.position;
    let moved = tx
        .query(
            "UPDATE _sources SET sequence = $1, digest = $2, commit_time = coalesce($3, commit_time)
             WHERE source = $4 AND epoch = $5 AND sequence = $6 AND generation = $7",
        )
        .bind(batch.through.sequence.cast_signed())
        .bind(batch.through.digest.cast_signed())
        .bind(batch.commit_time)
        .bind(source)
        .bind(epoch)
        .bind(sequence.cast_signed())
        .bind(filled.generation);
    match moved.execute().await.map_err(StoreError::sql("moving a position"))? {
        1 => Ok(()),
        _ => Err(StoreError::Moved { at: "another".to_owned(), expected: text(&filled.position) }),
    }
}

async fn count_rows(tx: &mut Connection, gains: Gains) -> Result<(), StoreError> {
    for (table, gain) in gains.into_iter().filter(|(_, gain)| *gain != 0) {
        let count = tx.query("UPDATE _tables SET rows = rows + $1 WHERE name = $2").bind(gain).bind(table);
        count.execute().await.map_err(StoreError::sql("counting rows"))?;
    }
    Ok(())
}
