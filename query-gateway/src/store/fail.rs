//! Versions of views that cannot go on.

use std::collections::BTreeSet;

use super::{Writing, versions};
use crate::{database::Error, error::StoreError, gateway::Gateway, view::Refused};

/// What SQLite says of an INTEGER that became too large, in a STRICT table.
const REAL_FOR_INTEGER: &str = "cannot store REAL value in INTEGER column";

/// Gives up a version that cannot be kept up, with all that read it, and says so: what it could not do, and since which
/// change.
///
/// One that cannot follow a change is filled again: tables change one after another, and between two of them there can be
/// rows that were never meant to be computed. One that cannot be filled, which is no change, has failed.
pub(crate) async fn fail(
    gateway: &Gateway,
    writing: &mut Writing,
    version: i64,
    error: &Error,
    (what, position): (&str, &str),
) -> Result<(), StoreError> {
    let message = match error.message() {
        // Where integers are added up, SQLite goes on with a double, which no table takes.
        Some(said) if said.starts_with(REAL_FOR_INTEGER) => {
            "bigint out of range: a sum does not fit into 64 bits".to_owned()
        }
        Some(said) => said.to_owned(),
        None => error.to_string(),
    };
    let Some(kept) = writing.maintained.get(version) else { return Ok(()) };
    let identity = (kept.name.clone(), kept.fingerprint.clone());
    let filled_again = !position.is_empty();
    let before = gateway.failures().remove(&identity).filter(|_| !filled_again);
    let (reason, position) = match before {
        Some(before) => {
            (format!("{}; and filling it again failed: {message}", before.reason), before.failure.position)
        }
        None => (format!("{what}: {message}"), position.to_owned()),
    };
    let refused = Refused::now(reason, &position, filled_again);
    tracing::error!(view = identity.0, reason = refused.told(), filled_again, "a view is given up");
    let failed = StoreError::sql("removing a view");
    let mut views = writing.maintained.clone();
    let mut tx = writing.connection.begin().await?;
    let before = versions::readable(&mut tx).await?;
    views.remove(&mut tx, version).await?;
    let after = versions::readable(&mut tx).await?;
    let gone: BTreeSet<&String> = before.difference(&after).collect();
    let catalog = gateway.catalog().with(|relation| gone.contains(&relation.name), []);
    let layout = gateway.change_layout(&mut tx, catalog).await?;
    tx.commit().await.map_err(&failed)?;
    writing.maintained = views;
    gateway.view_failed(identity, refused, layout);
    Ok(())
}
