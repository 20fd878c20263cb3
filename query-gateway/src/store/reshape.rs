//! Base tables under a new schema: what changed its columns is made anew, with its rows, in the transaction that takes
//! the schema over.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{
    load::execute,
    maintained::Maintained,
    statements::{self, Place},
};
use crate::{
    catalog::{Catalog, Relation},
    error::StoreError,
    schema::{Schema, Table},
};

/// From one schema of a source to the next.
#[derive(Debug)]
pub(super) struct Reshaping<'s> {
    old: Option<&'s Schema>,
    new: &'s Schema,
    /// With the tables of the new schema as far as they are reshaped.
    catalog: Catalog,
}

impl<'s> Reshaping<'s> {
    pub(super) fn new(old: Option<&'s Schema>, new: &'s Schema, catalog: &Catalog) -> Self {
        Self { old, new, catalog: catalog.clone() }
    }

    fn before(&self, name: &str) -> Option<&'s Relation> {
        let table = self.old?.tables().find(|table| table.name() == name)?;
        Some(&table.relation)
    }

    /// Removes tables that are no more, and every view that cannot be kept up through the change of its tables.
    pub(super) async fn remove_what_is_gone(
        &mut self,
        tx: &mut SqliteConnection,
        views: &mut Maintained,
    ) -> Result<(), StoreError> {
        let after = |name: &str| self.new.tables().find(|table| table.name() == name);
        let old: Vec<&Relation> =
            self.old.iter().flat_map(|old| old.tables()).map(|table| &*table.relation).collect();
        let mut gone = BTreeSet::new();
        for old in old {
            let carried = after(&old.name).is_some_and(|new| contains(&new.relation, old));
            if !carried {
                views.remove_readers(tx, &old.name).await?;
            }
            if after(&old.name).is_none() {
                gone.insert(old.name.clone());
            }
        }
        self.catalog = self.catalog.with(|relation| gone.contains(&relation.name), []);
        views.track(tx, &self.catalog).await.map_err(StoreError::sql("following tables"))?;
        for table in gone {
            execute(tx, statements::drop(Place::Base, &table)).await?;
        }
        Ok(())
    }

    /// Makes the table anew if its columns changed. Its rows come back from staging; what views saw of them is noted as
    /// gone, so that what comes back is no change to them.
    pub(super) async fn reshape(
        &mut self,
        tx: &mut SqliteConnection,
        views: &mut Maintained,
        table: &Table,
    ) -> Result<(), StoreError> {
        let failed = StoreError::sql("following tables");
        let before = self.before(table.name());
        if before == Some(&*table.relation) {
            return Ok(());
        }
        self.catalog = self.catalog.with(|_| false, [table.relation.clone()]);
        let seen = before.filter(|_| views.follows(table.name()));
        if let Some(old) = seen {
            let columns: Vec<_> = old.columns.iter().map(|column| quoted(&column.name)).collect();
            let text = format!(
                "CREATE TABLE temp._seen AS SELECT {} FROM {}",
                columns.join(", "),
                Place::Base.table(table.name())
            );
            execute(tx, text).await?;
        }
        views.forget(tx, table.name()).await.map_err(&failed)?;
        execute(tx, statements::drop(Place::Base, table.name())).await?;
        execute(tx, statements::create(Place::Base, table)).await?;
        views.track(tx, &self.catalog).await.map_err(&failed)?;
        if let Some(old) = seen {
            for statement in views.note_removed(table.name(), old, "temp._seen") {
                let done = sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(&mut *tx).await;
                done.map_err(&failed)?;
            }
        }
        Ok(())
    }
}

/// Whether every column of `old` is there under its name and type.
fn contains(new: &Relation, old: &Relation) -> bool {
    let same = |name: &str| new.column(name).map(|column| column.ty);
    new.key == old.key && old.columns.iter().all(|column| same(&column.name) == Some(column.ty))
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
