//! Versions of views that cannot go on.

use sqlx::Connection as _;

use super::{Writing, versions};
use crate::{error::StoreError, gateway::Gateway, view::Refused};

/// What SQLite says of an INTEGER that became too large, in a STRICT table.
const REAL_FOR_INTEGER: &str = "cannot store REAL value in INTEGER column";

/// Gives up a version that cannot be kept up, with all that read it, and says so: what it could not do, and since which
/// change.
pub(crate) async fn fail(
    gateway: &Gateway,
    writing: &mut Writing,
    version: i64,
    error: &sqlx::Error,
    (what, position): (&str, &str),
) -> Result<(), StoreError> {
    let message = match error {
        // Where integers are added up, SQLite goes on with a double, which no table takes.
        sqlx::Error::Database(error) if error.message().starts_with(REAL_FOR_INTEGER) => {
            "bigint out of range: a sum does not fit into 64 bits".to_owned()
        }
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    let Some(kept) = writing.maintained.get(version) else { return Ok(()) };
    let identity = (kept.name.clone(), kept.fingerprint.clone());
    let reason = format!("{what}: {message}");
    tracing::error!(view = identity.0, reason, "a view failed");
    let failed = StoreError::sql("removing a view");
    let mut views = writing.maintained.clone();
    let mut tx = writing.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
    let before = versions::readable(&mut tx).await?;
    views.remove(&mut tx, version).await?;
    let after = versions::readable(&mut tx).await?;
    let _layout = gateway.change_layout().await;
    tx.commit().await.map_err(&failed)?;
    writing.maintained = views;
    let gone: Vec<String> = before.difference(&after).cloned().collect();
    gateway.view_failed(identity, Refused::now(reason, position), &gone);
    Ok(())
}
