//! What defines views, as far as it is not in files: what CreateView was given, and by which definition each view is
//! served, which may be an earlier one than the one that is wanted.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use crate::error::StoreError;

const OPERATION: &str = "keeping the definitions of views";

/// What to change of what CreateView was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Names that are no more; first.
    pub(crate) remove: Vec<String>,
    /// Statements by the name of what they define.
    pub(crate) put: BTreeMap<String, String>,
}

/// Where a definition stands, and its statement.
pub(crate) type Stored = (String, String);

/// What CreateView was given: statements by the name of what they define.
pub(crate) async fn created(tx: &mut SqliteConnection) -> Result<BTreeMap<String, String>, StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT name, text FROM _definitions")
        .fetch_all(tx)
        .await
        .map_err(StoreError::sql(OPERATION))?;
    Ok(rows.into_iter().collect())
}

/// Changes what CreateView was given.
pub(crate) async fn edit(tx: &mut SqliteConnection, edit: &Edit) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    for name in &edit.remove {
        let delete = sqlx::query("DELETE FROM _definitions WHERE name = ?1").bind(name);
        delete.execute(&mut *tx).await.map_err(&failed)?;
    }
    for (name, text) in &edit.put {
        let put = sqlx::query("INSERT OR REPLACE INTO _definitions (name, text) VALUES (?1, ?2)");
        put.bind(name).bind(text).execute(&mut *tx).await.map_err(&failed)?;
    }
    Ok(())
}

/// By which definition each view is served: its file, which is empty for CreateView, and its statement.
pub(crate) async fn served(tx: &mut SqliteConnection) -> Result<BTreeMap<String, Stored>, StoreError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as("SELECT name, file, text FROM _served")
        .fetch_all(tx)
        .await
        .map_err(StoreError::sql(OPERATION))?;
    Ok(rows.into_iter().map(|(name, file, text)| (name, (file, text))).collect())
}

/// Replaces what is served.
pub(crate) async fn serve(
    tx: &mut SqliteConnection,
    served: &BTreeMap<String, Stored>,
) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    sqlx::query("DELETE FROM _served").execute(&mut *tx).await.map_err(&failed)?;
    for (name, (file, text)) in served {
        let put = sqlx::query("INSERT INTO _served (name, file, text) VALUES (?1, ?2, ?3)");
        put.bind(name).bind(file).bind(text).execute(&mut *tx).await.map_err(&failed)?;
    }
    Ok(())
}
