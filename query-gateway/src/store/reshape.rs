//! Base tables under a new schema: what changed its columns is made anew, with its rows, in the transaction that takes
//! the schema over.

use std::collections::BTreeSet;

use super::{
    indexes::of_table,
    layout,
    load::execute,
    maintained::Maintained,
    objects,
    statements::{self, Place},
};
use crate::{
    catalog::{Catalog, Column, Relation},
    database::Connection,
    error::StoreError,
    schema::{Schema, Table},
    sql::text::quoted,
};

/// From one schema of a source to the next.
#[derive(Debug)]
pub(super) struct Reshaping<'s> {
    old: Option<&'s Schema>,
    new: &'s Schema,
    /// With the tables of the new schema as far as they are reshaped.
    catalog: Catalog,
    /// Whether sequences mean now what they meant before.
    same_history: bool,
}

impl<'s> Reshaping<'s> {
    pub(super) fn new(
        old: Option<&'s Schema>,
        new: &'s Schema,
        catalog: &Catalog,
        same_history: bool,
    ) -> Self {
        Self { old, new, catalog: catalog.clone(), same_history }
    }

    fn before(&self, name: &str) -> Option<&'s Relation> {
        let table = self.old?.tables().find(|table| table.name() == name)?;
        Some(&table.relation)
    }

    /// Removes tables that are no more, and every view that cannot be kept up through the change of its tables.
    pub(super) async fn remove_what_is_gone(
        &mut self,
        tx: &mut Connection,
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
        let dialect = tx.dialect();
        if !gone.is_empty() {
            layout::take(tx).await?;
        }
        for table in gone {
            execute(tx, statements::drop(dialect, Place::Base, &table)).await?;
        }
        Ok(())
    }

    /// Makes a table what its staging table is, and views follow. If its columns changed, it is made anew: views that go on
    /// know only columns that were there before, and see what changed in those.
    pub(super) async fn take_over(
        &mut self,
        tx: &mut Connection,
        views: &mut Maintained,
        table: &Table,
    ) -> Result<(), StoreError> {
        let before = self.before(table.name());
        let same = before == Some(&*table.relation);
        let carried = before.filter(|before| same || contains(&table.relation, before));
        if let Some(before) = carried {
            execute(tx, statements::remove_vanished(before)).await?;
            execute(tx, statements::upsert_changed(before, self.same_history)).await?;
            views.propagate(tx, table.name()).await?;
        }
        if !same {
            let mut indexes = Vec::new();
            if let Some(before) = carried {
                indexes = of_table(tx, table.name()).await?;
                execute(tx, statements::carry_change(before)).await?;
            }
            self.make_anew(tx, views, table, indexes).await?;
        }
        Ok(())
    }

    async fn make_anew(
        &mut self,
        tx: &mut Connection,
        views: &mut Maintained,
        table: &Table,
        indexes: Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        let failed = StoreError::sql("following tables");
        if self.before(table.name()).is_some() {
            layout::take(tx).await?;
        }
        views.forget(tx, table.name()).await.map_err(&failed)?;
        let (name, dialect) = (table.name(), tx.dialect());
        let views_before = objects::views(tx).await.map_err(&failed)?;
        let make = [
            statements::drop(dialect, Place::Base, name),
            statements::create(dialect, Place::Base, table),
            statements::fill(&table.relation),
        ];
        for statement in make {
            execute(tx, statement).await?;
        }
        objects::publish(tx, &quoted(name)).await.map_err(&failed)?;
        for (index, statement) in indexes {
            objects::make(tx, &format!("INDEX \"{index}\""), &statement).await.map_err(&failed)?;
        }
        // PostgreSQL drops with a table what reads it; all that it names is there again.
        let there: BTreeSet<String> =
            objects::views(tx).await.map_err(&failed)?.into_iter().map(|(view, _)| view).collect();
        for (view, statement) in views_before.into_iter().filter(|(view, _)| !there.contains(view)) {
            objects::make(tx, &format!("VIEW \"{view}\""), &statement).await.map_err(&failed)?;
        }
        self.catalog = self.catalog.with(|_| false, [table.relation.clone()]);
        views.track(tx, &self.catalog).await.map_err(&failed)
    }
}

/// Whether every column of `old` is there under its name and type, and has a value where it had one.
fn contains(new: &Relation, old: &Relation) -> bool {
    let same = |old: &Column| {
        new.column(&old.name).is_some_and(|new| new.ty == old.ty && (old.nullable || !new.nullable))
    };
    new.key == old.key && old.columns.iter().all(same)
}
