//! The relations that users read, as all gateways on one database have to know them.
//!
//! PostgreSQL's own catalogs are not part of a snapshot: between the snapshot of a reader and its statement, a view could be
//! put in the place of another. Two rules keep answers to one state:
//!
//! - Who removes or replaces what users read takes `_layout` for itself first ([`take`]). Who reads begins by sharing it
//!   (`Connection::snapshot_of_layout`), and so until the end of its transaction finds what it found at first. Taking it
//!   before everything else also means that nobody waits for a reader while holding what that reader waits for.
//! - What the relations are is kept in `_layout`, under a number that grows whenever they change. A reader compares it with
//!   that of what its statement was compiled against.
//!
//! It costs that a change of views waits for the answers that are under way, of which each is bounded, and that those behind
//! it wait as long. Changes of rows wait for nobody.

use super::versions;
use crate::{
    catalog::{Catalog, Kind},
    database::{Connection, Dialect, Error},
    error::StoreError,
};

const OPERATION: &str = "changing what can be read";

/// To be called before anything that users read is removed. In a file, readers have a snapshot of all that there is.
pub(crate) async fn take(tx: &mut Connection) -> Result<(), StoreError> {
    lock(tx).await.map_err(StoreError::sql(OPERATION))
}

/// The same.
pub(super) async fn lock(tx: &mut Connection) -> Result<(), Error> {
    match tx.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => {
            tx.query("LOCK TABLE _layout IN ACCESS EXCLUSIVE MODE").execute().await.map(drop)
        }
    }
}

/// Notes what the relations are once the transaction is committed, and tells their number.
pub(crate) async fn note(tx: &mut Connection, catalog: &Catalog) -> Result<i64, StoreError> {
    let bytes = catalog.to_bytes();
    let note = tx.query("UPDATE _layout SET number = number + 1, catalog = $1 RETURNING number");
    note.bind(bytes.as_slice()).one().await.map_err(StoreError::sql(OPERATION))
}

/// The relations as they are noted; `None` if another version of this program wrote that.
pub(crate) async fn noted(reader: &mut Connection) -> Result<Option<Catalog>, StoreError> {
    let noted = reader.query("SELECT number, catalog FROM _layout").one().await;
    let (number, catalog): (i64, Vec<u8>) = noted.map_err(StoreError::sql("reading what can be read"))?;
    Ok(Catalog::from_bytes(&catalog, Dialect::Postgres, number))
}

/// Notes that relations are gone, which nobody has in mind yet who leads.
pub(super) async fn note_removed(tx: &mut Connection, tables: &[String]) -> Result<(), StoreError> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let catalog = noted(tx).await?.unwrap_or_else(|| Catalog::of(Dialect::Postgres));
    let views = versions::readable(tx).await?;
    let left = catalog.with(
        |relation| match relation.kind {
            Kind::Base { .. } => tables.contains(&relation.name),
            Kind::View { .. } | Kind::Materialized { .. } => !views.contains(&relation.name),
        },
        [],
    );
    note(tx, &left).await.map(drop)
}
