//! The indexes of the store besides those that tables bring along: which there are follows from the views that are kept
//! and from what users ask for, never from what happened before.

use std::collections::BTreeSet;

use super::{layout, load::execute, maintained::Maintained, objects};
use crate::{
    database::Connection,
    delta::statements::{IndexStatement, Version, indexes},
    error::StoreError,
};

const OPERATION: &str = "keeping indexes";

/// Makes just the indexes that the versions need and that are `asked` for. In this transaction, the tables of new
/// versions are empty: theirs are filled with them.
pub(crate) async fn reconcile(
    tx: &mut Connection,
    views: &Maintained,
    asked: Vec<IndexStatement>,
) -> Result<(), StoreError> {
    let needed = views.versions().iter().flat_map(|kept| indexes(&kept.version));
    let mut wanted: BTreeSet<IndexStatement> = needed.chain(asked).collect();
    for index in there(tx).await? {
        if !wanted.remove(&index) {
            layout::take(tx).await?;
            execute(tx, format!("DROP INDEX \"{}\"", index.name)).await?;
        }
    }
    for index in wanted {
        make(tx, &index).await?;
    }
    Ok(())
}

/// Makes one of the indexes on base tables that versions to come need, or that are asked for; false if all are there. If it
/// is not needed after all, [`reconcile`] removes it.
pub(crate) async fn prepare(
    tx: &mut Connection,
    versions: impl Iterator<Item = &Version>,
    asked: impl Iterator<Item = &IndexStatement>,
) -> Result<bool, StoreError> {
    let needed = versions.flat_map(indexes).chain(asked.cloned());
    let there = there(tx).await?;
    let missing = |index: &IndexStatement| !index.table.starts_with('_') && !there.contains(index);
    match needed.into_iter().find(missing) {
        Some(index) => {
            execute(tx, format!("DROP INDEX IF EXISTS \"{}\"", index.name)).await?;
            make(tx, &index).await.map(|()| true)
        }
        None => Ok(false),
    }
}

async fn make(
    tx: &mut Connection,
    IndexStatement { name, text, .. }: &IndexStatement,
) -> Result<(), StoreError> {
    objects::make(tx, &format!("INDEX \"{name}\""), text).await.map_err(StoreError::sql(OPERATION))
}

async fn there(tx: &mut Connection) -> Result<Vec<IndexStatement>, StoreError> {
    let rows = objects::indexes(tx).await.map_err(StoreError::sql(OPERATION))?;
    Ok(rows.into_iter().map(|(name, table, text)| IndexStatement { name, table, text }).collect())
}

/// All indexes on a table by name and statement, to be made again when it is made anew.
pub(super) async fn of_table(tx: &mut Connection, table: &str) -> Result<Vec<(String, String)>, StoreError> {
    objects::indexes_on(tx, table).await.map_err(StoreError::sql(OPERATION))
}

/// Every such index on some tables, with whether a user asked for it.
pub(crate) async fn on_tables(
    reader: &mut Connection,
    tables: &BTreeSet<String>,
) -> Result<Vec<(IndexStatement, bool)>, StoreError> {
    let mut found = Vec::new();
    for table in tables {
        let indexes = objects::indexes_on(reader, table).await.map_err(StoreError::sql(OPERATION))?;
        found.extend(indexes.into_iter().map(|(name, text)| {
            let defined = name.starts_with("_x_") || name.contains("_x_") && name.starts_with("_v");
            (IndexStatement { name, table: table.clone(), text }, defined)
        }));
    }
    Ok(found)
}
