//! What defines views, as far as it is not in files: what CreateView was given, and by which definition each view is
//! served, which may be an earlier one than the one that is wanted.

use std::collections::BTreeMap;

use crate::{database::Connection, error::StoreError};

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
pub(crate) async fn created(tx: &mut Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let rows: Vec<(String, String)> =
        tx.query("SELECT name, text FROM _definitions").all().await.map_err(StoreError::sql(OPERATION))?;
    Ok(rows.into_iter().collect())
}

/// Changes what CreateView was given.
pub(crate) async fn edit(tx: &mut Connection, edit: &Edit) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    for name in &edit.remove {
        let delete = tx.query("DELETE FROM _definitions WHERE name = $1").bind(name);
        delete.execute().await.map_err(&failed)?;
    }
    for (name, text) in &edit.put {
        let put = tx.query(
            "INSERT INTO _definitions (name, text) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET text = excluded.text",
        );
        put.bind(name).bind(text).execute().await.map_err(&failed)?;
    }
    Ok(())
}

/// By which definition each view is served: its file, which is empty for CreateView, and its statement.
pub(crate) async fn served(tx: &mut Connection) -> Result<BTreeMap<String, Stored>, StoreError> {
    let rows: Vec<(String, String, String)> =
        tx.query("SELECT name, file, text FROM _served").all().await.map_err(StoreError::sql(OPERATION))?;
    Ok(rows.into_iter().map(|(name, file, text)| (name, (file, text))).collect())
}

/// Replaces what is served.
pub(crate) async fn serve(tx: &mut Connection, served: &BTreeMap<String, Stored>) -> Result<(), StoreError> {
    let failed = StoreError::sql(OPERATION);
    tx.query("DELETE FROM _served").execute().await.map_err(&failed)?;
    for (name, (file, text)) in served {
        let put = tx.query("INSERT INTO _served (name, file, text) VALUES ($1, $2, $3)");
        put.bind(name).bind(file).bind(text).execute().await.map_err(&failed)?;
    }
    Ok(())
}
