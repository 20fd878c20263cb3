//! A snapshot on its way: into staging tables, which nobody sees, until it is exact. Then one transaction
//! takes the difference against the base tables, so that rows that vanished vanish, together with the
//! new position and the schema that the snapshot was taken under.
//!
//! Rows of a snapshot may be newer than the changes that follow it; those are dropped by their sequence
//! ([`rows::replace`]). A row that was deleted before the snapshot got to it may be written by such
//! changes, and is deleted again by a later one of them: all of these come before `high`. No tombstones are
//! needed, since every row of the snapshot comes before every change.

use std::time::SystemTime;

use tributary_proto::feed::v1::Position;

use super::{
    Writing,
    apply::follows,
    load::{Filled, execute},
    reshape::Reshaping,
    rows,
    statements::{self, Place, Statements},
    versions,
    visible::{Command, MOST_WAITING},
    work::{Begin, Changes},
    writing::Fenced,
};
use crate::{
    catalog::{Kind, Relation},
    database::Connection,
    error::StoreError,
    gateway::{Gateway, NewLayout},
    schema::{Image, Schema},
};

/// A snapshot that did not end yet.
#[derive(Debug)]
pub(super) struct Snapshot {
    begin: Begin,
    /// Through where the changes behind it are applied.
    through: Position,
    high: Option<Position>,
    commit_time: Option<i64>,
    began: SystemTime,
    /// Those that are applied behind it, as many as are remembered.
    commands: Vec<Command>,
}

impl Snapshot {
    /// Makes staging tables, in place of those of an earlier attempt.
    pub(super) async fn begin(writer: &mut Fenced, begin: Begin) -> Result<Self, StoreError> {
        let failed = StoreError::sql("beginning a snapshot");
        let mut tx = writer.begin().await?;
        let dialect = tx.dialect();
        for table in begin.schema.tables() {
            execute(&mut tx, statements::drop(dialect, Place::Staging, table.name())).await?;
            execute(&mut tx, statements::create(dialect, Place::Staging, table)).await?;
        }
        tx.commit().await.map_err(&failed)?;
        let through = begin.low.clone();
        let (began, commands) = (SystemTime::now(), Vec::new());
        Ok(Self { begin, through, high: None, commit_time: None, began, commands })
    }

    /// Takes rows of the snapshot.
    pub(super) async fn rows(
        &mut self,
        writer: &mut Fenced,
        statements: &mut Statements,
        images: &[Image],
    ) -> Result<(), StoreError> {
        let failed = StoreError::sql("writing rows of a snapshot");
        let mut tx = writer.begin().await?;
        rows::replace(&mut tx, statements, Place::Staging, &self.begin.schema, images, None).await?;
        tx.commit().await.map_err(&failed)
    }

    /// Takes changes that follow the snapshot.
    pub(super) async fn changes(
        &mut self,
        writer: &mut Fenced,
        statements: &mut Statements,
        changes: Changes,
    ) -> Result<(), StoreError> {
        if follows(&self.through, &changes)? {
            self.rows(writer, statements, &changes.images).await?;
            self.through = changes.through;
            self.commit_time = changes.commit_time.or(self.commit_time);
            let room = MOST_WAITING - self.commands.len();
            self.commands.extend(changes.commands.into_iter().take(room));
        }
        Ok(())
    }

    /// All rows are there.
    pub(super) fn end(&mut self, high: Position) {
        self.high = Some(high);
    }

    /// Whether the staging tables are what the source was at one position.
    pub(super) fn exact(&self) -> bool {
        self.high.as_ref().is_some_and(|high| self.through.sequence >= high.sequence)
    }

    /// Up to where it contains what happened.
    pub(super) fn through(&self) -> &Position {
        &self.through
    }

    /// When it began, and the commands that are seen with it.
    pub(super) fn seen(&self) -> (SystemTime, &[Command]) {
        (self.began, &self.commands)
    }

    /// What it was begun with.
    pub(super) fn begun(&self) -> &Begin {
        &self.begin
    }

    /// Makes the base tables equal to the staging tables, and views follow. Tells what the source is filled with now, and
    /// the new commit sequence. Views that cannot go on with the new schema are no more. Until the catalog follows, what
    /// is given back keeps others from asking.
    pub(super) async fn finish<'g>(
        &self,
        writing: &mut Writing,
        source: &str,
        before: Option<&Filled>,
        gateway: &'g Gateway,
    ) -> Result<(Filled, u64, NewLayout<'g>), StoreError> {
        let failed = StoreError::sql("ending a snapshot");
        let schema = &self.begin.schema;
        let Writing { connection, maintained } = writing;
        let mut views = maintained.clone();
        let (mut tx, commit) = connection.begin_commit().await?;
        let forget = tx.query("DELETE FROM _tables WHERE source = $1").bind(source);
        forget.execute().await.map_err(&failed)?;
        let same_epoch = before.is_some_and(|before| before.position.epoch == self.through.epoch);
        // A store may have been put back with its epoch.
        let same_history = same_epoch && !self.begin.accepted;
        let old = before.map(|before| &*before.schema);
        let mut reshaping = Reshaping::new(old, schema, &gateway.catalog(), same_history);
        reshaping.remove_what_is_gone(&mut tx, &mut views).await?;
        for table in schema.tables() {
            reshaping.take_over(&mut tx, &mut views, table).await?;
            let count = tx.composed(statements::count(table)).bind(table.name()).bind(source);
            count.execute().await.map_err(&failed)?;
        }
        let generation = self.place(&mut tx, source, before).await?;
        let readable = versions::readable(&mut tx).await?;
        let gone = |relation: &Relation| match &relation.kind {
            Kind::Base { source: of, .. } => of == source,
            Kind::View { .. } | Kind::Materialized { .. } => !readable.contains(&relation.name),
        };
        let catalog = gateway.catalog().with(gone, schema.relations());
        let layout = gateway.change_layout(&mut tx, catalog).await?;
        tx.commit().await.map_err(&failed)?;
        *maintained = views;
        let (schema, position, commit_time) = (schema.clone(), self.through.clone(), self.commit_time);
        let filled = Filled { schema, position, commit_time, generation };
        Ok((filled, commit, layout))
    }

    /// Removes the staging tables. If that does not come to pass, the next start does it.
    pub(super) async fn clear(writer: &mut Fenced, schema: &Schema) -> Result<(), StoreError> {
        let failed = StoreError::sql("clearing a snapshot");
        let mut tx = writer.begin().await?;
        let dialect = tx.dialect();
        for table in schema.tables() {
            execute(&mut tx, statements::drop(dialect, Place::Staging, table.name())).await?;
        }
        tx.commit().await.map_err(&failed)
    }

    /// Stores position and schema, by compare-and-set like every position.
    async fn place(
        &self,
        tx: &mut Connection,
        source: &str,
        before: Option<&Filled>,
    ) -> Result<i64, StoreError> {
        let Position { service, epoch, sequence, digest } = &self.through;
        let place = tx
            .query(
                "INSERT INTO _sources (source, service, epoch, sequence, digest, generation, commit_time, described)
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
                 ON CONFLICT (source) DO UPDATE SET service = excluded.service, epoch = excluded.epoch,
                     sequence = excluded.sequence, digest = excluded.digest, generation = _sources.generation + 1,
                     commit_time = excluded.commit_time, described = excluded.described
                 WHERE _sources.generation = $8
                 RETURNING generation",
            )
            .bind(source)
            .bind(service)
            .bind(epoch)
            .bind(sequence.cast_signed())
            .bind(digest.cast_signed())
            .bind(self.commit_time)
            .bind(&*self.begin.described)
            .bind(before.map(|before| before.generation));
        let generation: Option<i64> =
            place.optional().await.map_err(StoreError::sql("storing a position"))?;
        generation.ok_or_else(|| StoreError::Moved {
            at: "another".to_owned(),
            expected: "that before it".to_owned(),
        })
    }
}
