//! What the store knows at start.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prost::Message as _;
use tributary_proto::feed::v1::{DescribeResponse, Position};

use super::{
    Store, layout, objects,
    statements::{self, Place, STAGING},
};
use crate::{database::Connection, error::StoreError, schema::Schema};

/// A source that was filled once.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    /// Under which its rows were written.
    pub(crate) schema: Arc<Schema>,
    /// Through where they are applied.
    pub(crate) position: Position,
    /// Of the change there, in microseconds; none if no change came since a snapshot.
    pub(crate) commit_time: Option<i64>,
    /// Who may write: another process that did not notice it was replaced has an older one.
    pub(crate) generation: i64,
}

/// Every source that was filled, and the commit sequence. Removes what is left of snapshots that did not
/// end, and of sources that are no longer configured.
pub(crate) async fn load(
    store: &Store,
    configured: &BTreeSet<String>,
) -> Result<(BTreeMap<String, Filled>, u64), StoreError> {
    let failed = StoreError::sql("loading the store");
    let mut writer = store.write().await;
    let mut tx = writer.begin().await?;
    let dialect = tx.dialect();
    let staging = objects::tables(&mut tx, STAGING).await.map_err(&failed)?;
    for name in staging.iter().filter_map(|name| name.strip_prefix(STAGING)) {
        execute(&mut tx, statements::drop(dialect, Place::Staging, name)).await?;
    }
    let sources: Vec<String> = tx.query("SELECT source FROM _sources").all().await.map_err(&failed)?;
    let mut filled = BTreeMap::new();
    for source in sources {
        let known = if configured.contains(&source) { read(&mut tx, &source).await? } else { None };
        match known {
            Some(known) => drop(filled.insert(source, known)),
            None => {
                tracing::warn!(source, "removing the tables of a source that is no longer configured");
                remove(&mut tx, &source).await?;
            }
        }
    }
    let commits: i64 = tx.query("SELECT commits FROM _gateway").one().await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)?;
    Ok((filled, commits.cast_unsigned()))
}

/// Takes over a source; `None` if its schema cannot be read any more, which another version wrote.
async fn read(tx: &mut Connection, source: &str) -> Result<Option<Filled>, StoreError> {
    type Row = (String, String, i64, i64, i64, Option<i64>, Vec<u8>);
    let taken = tx.query(
        "UPDATE _sources SET generation = generation + 1 WHERE source = $1
         RETURNING service, epoch, sequence, digest, generation, commit_time, described",
    );
    let row: Row = taken.bind(source).one().await.map_err(StoreError::sql("reading a source"))?;
    let (service, epoch, sequence, digest, generation, commit_time, described) = row;
    let described = DescribeResponse::decode(described.as_slice()).ok();
    let Some(schema) = described.and_then(|described| Schema::learn(source, &described).ok()) else {
        return Ok(None);
    };
    let position =
        Position { service, epoch, sequence: sequence.cast_unsigned(), digest: digest.cast_unsigned() };
    Ok(Some(Filled { schema: Arc::new(schema), position, commit_time, generation }))
}

async fn remove(tx: &mut Connection, source: &str) -> Result<(), StoreError> {
    let failed = StoreError::sql("removing a source");
    let tables = tx.query("DELETE FROM _tables WHERE source = $1 RETURNING name").bind(source);
    let tables: Vec<String> = tables.all().await.map_err(&failed)?;
    let dialect = tx.dialect();
    layout::take(tx).await?;
    for table in &tables {
        execute(tx, statements::drop(dialect, Place::Base, table)).await?;
    }
    layout::note_removed(tx, &tables).await?;
    let delete = tx.query("DELETE FROM _sources WHERE source = $1").bind(source);
    delete.execute().await.map(drop).map_err(&failed)
}

/// Runs a statement whose names come from a schema.
pub(super) async fn execute(tx: &mut Connection, text: String) -> Result<u64, StoreError> {
    tx.composed(text).keep(false).execute().await.map_err(StoreError::sql("changing tables"))
}
