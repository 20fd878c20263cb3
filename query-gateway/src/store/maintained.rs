//! The materialized views that the writer keeps in step with the base tables.
//!
//! Triggers note every change of a base table that some view reads. After each table of a batch,
//! [`Maintained::propagate`] runs what follows from that, in the transaction of the batch: views and positions are of
//! one commit. What is temporary is gone after a crash, and made anew at start; the triggers, which PostgreSQL keeps, too.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use super::{layout, metrics::Maintenance, objects, timings::Timings, versions};
use crate::{
    catalog::{self, Catalog, Column, Kind, Relation},
    database::{Batch, Connection, Error},
    delta::{
        plan::{self, NodeId},
        statements::{Progress, Routine, Version, base_clear, base_triggers, base_untracked},
    },
    error::StoreError,
    sql::{Dialect, types::Ty},
};

/// Every version of a view that is kept: one reads only those in front of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maintained {
    versions: Vec<Kept>,
    /// Base tables whose changes are noted, with the columns that are.
    tracked: BTreeMap<String, Vec<Column>>,
    /// Whether what an earlier run left has been looked at.
    loaded: bool,
    maintenance: Maintenance,
}

/// One version of one view.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The view.
    pub(crate) name: String,
    /// Of its plan and of what that reads: another one is another version.
    pub(crate) fingerprint: String,
    pub(crate) version: Version,
    /// Of each node.
    pub(crate) progress: Vec<Progress>,
    /// Base tables that it reads, also through others.
    tables: BTreeSet<String>,
    /// What is run after a change of a table, as long as progress and readers are what they were. In PostgreSQL that is the
    /// call of a function, which is there by then.
    programs: HashMap<String, Batch>,
    /// How long that takes.
    pub(crate) timings: Timings,
}

impl Kept {
    /// Whether it is what its query says.
    pub(crate) fn is_complete(&self) -> bool {
        self.progress.iter().all(|progress| *progress == Progress::Filled)
    }

    /// The next node that is not filled.
    pub(super) fn open_node(&self) -> Option<NodeId> {
        self.progress.iter().position(|progress| *progress != Progress::Filled).map(NodeId)
    }

    pub(super) fn moved_to(&mut self, node: NodeId, progress: Progress) {
        self.progress[node.0] = progress;
        self.programs.clear();
    }
}

impl Maintained {
    /// Whether what an earlier run left has been looked at.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Whatever is not kept by now is not in the store.
    pub(crate) fn set_loaded(&mut self) {
        self.loaded = true;
    }

    pub(crate) fn versions(&self) -> &[Kept] {
        &self.versions
    }

    pub(crate) fn get(&self, number: i64) -> Option<&Kept> {
        self.versions.iter().find(|kept| kept.version.number == number)
    }

    /// The views that are kept over any of these base tables, and that can be read.
    pub(super) fn readers(&self, tables: &BTreeSet<&str>) -> BTreeSet<String> {
        let reads = |kept: &&Kept| kept.tables.iter().any(|table| tables.contains(table.as_str()));
        let complete = self.versions.iter().filter(|kept| kept.is_complete());
        complete.filter(reads).map(|kept| kept.name.clone()).collect()
    }

    pub(super) fn get_mut(&mut self, number: i64) -> Option<&mut Kept> {
        self.versions.iter_mut().find(|kept| kept.version.number == number)
    }

    /// The first version that is not complete.
    pub(crate) fn open(&self) -> Option<i64> {
        self.versions.iter().find(|kept| !kept.is_complete()).map(|kept| kept.version.number)
    }

    /// Keeps a version from now on: one whose tables are there already if it is complete, else one that is empty.
    /// To be followed by [`Maintained::track`] and [`super::indexes::reconcile`].
    pub(crate) async fn add(
        &mut self,
        tx: &mut Connection,
        (name, fingerprint): (&str, &str),
        version: Version,
        complete: bool,
    ) -> Result<(), Error> {
        let nodes = (0..version.plan.nodes.len()).map(NodeId);
        for node in nodes.clone() {
            let create = if complete { Vec::new() } else { version.create(node) };
            execute_all(tx, create.into_iter().chain(version.create_temporary(node))).await?;
        }
        let progress = if complete { Progress::Filled } else { Progress::Empty };
        let mut tables: BTreeSet<String> = version.tables.iter().map(|(table, _)| table.clone()).collect();
        for (_, reference) in &version.views {
            tables.extend(self.get(reference.number).into_iter().flat_map(|kept| kept.tables.clone()));
        }
        self.versions.push(Kept {
            name: name.to_owned(),
            fingerprint: fingerprint.to_owned(),
            progress: nodes.map(|_| progress).collect(),
            version,
            tables,
            programs: HashMap::new(),
            timings: Timings::default(),
        });
        Ok(())
    }

    /// Gives up a version, and all that read it; what users read of them is gone too. The newest goes first.
    pub(crate) async fn remove(&mut self, tx: &mut Connection, number: i64) -> Result<(), StoreError> {
        let mut gone = BTreeSet::from([number]);
        for kept in &self.versions {
            if kept.version.views.iter().any(|(_, reference)| gone.contains(&reference.number)) {
                gone.insert(kept.version.number);
            }
        }
        for number in gone.iter().rev() {
            let Some(at) = self.versions.iter().position(|kept| kept.version.number == *number) else {
                continue;
            };
            let kept = self.versions.remove(at);
            versions::remove(tx, &kept.name, *number).await?;
            let temporary = kept.version.drop_temporary(&kept.tables);
            execute_all(tx, temporary).await.map_err(StoreError::sql("removing a view"))?;
        }
        Ok(())
    }

    /// Gives up every version that reads a base table.
    pub(super) async fn remove_readers(
        &mut self,
        tx: &mut Connection,
        table: &str,
    ) -> Result<(), StoreError> {
        let readers = self.versions.iter().filter(|kept| kept.tables.contains(table));
        for number in readers.map(|kept| kept.version.number).collect::<Vec<_>>() {
            self.remove(tx, number).await?;
        }
        Ok(())
    }

    /// Notes no changes of a table until it is tracked again: it is about to be made anew.
    pub(super) async fn forget(&mut self, tx: &mut Connection, table: &str) -> Result<(), Error> {
        match self.tracked.remove(table) {
            Some(_) => execute_all(tx, base_untracked(tx.dialect(), table)).await,
            None => Ok(()),
        }
    }

    /// Notes from now on the changes of just those tables and columns that versions read.
    pub(crate) async fn track(&mut self, tx: &mut Connection, catalog: &Catalog) -> Result<(), Error> {
        let mut needed: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for table in self.versions.iter().flat_map(|kept| &kept.version.tables).map(|(table, _)| table) {
            let columns = catalog.get(table).map(|relation| relation.columns.clone()).unwrap_or_default();
            needed.insert(table.clone(), columns);
        }
        // An earlier run may have left triggers for views that are no more.
        let mut left = if self.loaded { Vec::new() } else { objects::noted(tx).await? };
        // To remove those waits for whoever reads the table, to put others in their place does not.
        left.retain(|table| !needed.contains_key(table));
        let outdated = self.tracked.iter().filter(|(table, columns)| needed.get(*table) != Some(*columns));
        let outdated: BTreeSet<&String> = outdated.map(|(table, _)| table).chain(&left).collect();
        if !outdated.is_empty() {
            layout::lock(tx).await?;
        }
        for table in outdated {
            execute_all(tx, base_untracked(tx.dialect(), table)).await?;
        }
        for (table, columns) in &needed {
            if self.tracked.get(table) != Some(columns) {
                let columns: Vec<&Column> = columns.iter().collect();
                execute_all(tx, base_triggers(tx.dialect(), table, &columns)).await?;
            }
        }
        // Who reads whom decides which images are noted.
        self.versions.iter_mut().for_each(|kept| kept.programs.clear());
        self.tracked = needed;
        Ok(())
    }

    /// Takes what changed in a base table, which has been written, into all versions that read it.
    pub(crate) async fn propagate(&mut self, tx: &mut Connection, table: &str) -> Result<(), StoreError> {
        if !self.tracked.contains_key(table) {
            return Ok(());
        }
        let mut ran = Vec::new();
        for at in 0..self.versions.len() {
            let (number, name) = (self.versions[at].version.number, self.versions[at].name.clone());
            let failed = StoreError::of_view(number, name);
            let Some(program) = self.program(tx, at, table).await.map_err(&failed)? else { continue };
            let started = Instant::now();
            tx.run(&program).await.map_err(&failed)?;
            ran.push((at, started.elapsed()));
        }
        let changes = clear(tx, table).await.map_err(StoreError::sql("clearing changes"))?;
        for (at, took) in ran {
            let kept = &self.versions[at];
            kept.timings.ran(table, changes, took);
            self.maintenance.ran(&kept.name, took);
        }
        Ok(())
    }

    /// The transaction in which it propagated was rolled back, and with it the functions that it made.
    pub(super) fn rolled_back(&mut self) {
        self.versions.iter_mut().for_each(|kept| kept.programs.clear());
    }

    /// What is to be run for a version after a change of `table`.
    async fn program(&mut self, tx: &mut Connection, at: usize, table: &str) -> Result<Option<Batch>, Error> {
        let kept = &self.versions[at];
        if !kept.tables.contains(table) {
            return Ok(None);
        }
        let program = match kept.programs.get(table) {
            Some(known) => known.clone(),
            None => {
                let made = self.make(tx, at, table).await?;
                self.versions[at].programs.insert(table.to_owned(), made.clone());
                made
            }
        };
        Ok((!program.is_empty()).then_some(program))
    }

    async fn make(&self, tx: &mut Connection, at: usize, table: &str) -> Result<Batch, Error> {
        let dialect = tx.dialect();
        let statements = match dialect {
            Dialect::Sqlite => self.follow(at, table, Version::program),
            Dialect::Postgres => match self.follow(at, table, Version::program_routine) {
                Some(Routine { create, call }) => {
                    tx.composed(create).keep(false).execute().await?;
                    vec![call]
                }
                None => Vec::new(),
            },
        };
        Ok(Batch::new(dialect, statements))
    }
}

impl Maintained {
    /// What a version has to do for a change of `table`, as `write` writes it down.
    fn follow<T>(&self, at: usize, table: &str, write: Write<T>) -> T {
        let Kept { version, progress, .. } = &self.versions[at];
        let reads = |other: &Kept| other.version.views.iter().any(|(_, read)| read.number == version.number);
        let watched = self.versions.iter().any(reads);
        let moved = |name: &str| {
            let reference = version.views.iter().find(|(view, _)| view == name);
            let read = reference.and_then(|(_, reference)| self.get(reference.number));
            read.is_some_and(|read| read.tables.contains(table))
        };
        write(version, table, &moved, progress, watched)
    }

    /// Each base table that a version follows, with what is run for it.
    pub(crate) fn programs(&self, number: i64) -> Vec<(&str, Vec<String>)> {
        let Some(at) = self.versions.iter().position(|kept| kept.version.number == number) else {
            return Vec::new();
        };
        let tables = self.versions[at].tables.iter();
        tables.map(|table| (table.as_str(), self.follow(at, table, Version::program))).collect()
    }
}

/// Writes down what follows from a change of a table: which views have moved by it, how far each node is filled, and whether
/// others read what comes of it.
type Write<T> = fn(&Version, &str, &dyn Fn(&str) -> bool, &[Progress], bool) -> T;

/// Empties the changes of a base table: how many there were.
async fn clear(tx: &mut Connection, table: &str) -> Result<u64, Error> {
    let dialect = tx.dialect();
    let clear = tx.composed(base_clear(dialect, table));
    match dialect {
        Dialect::Sqlite => clear.execute().await,
        Dialect::Postgres => clear.one::<i64>().await.map(i64::cast_unsigned),
    }
}

/// What a version looks like to others.
pub(crate) fn relation(name: &str, version: &Version) -> Relation {
    let Some(node) = version.plan.nodes.last() else { return Relation::view(name, Vec::new(), Vec::new()) };
    let column = |column: &plan::Column| catalog::Column {
        name: column.label.clone(),
        ty: column.ty.and_then(Ty::output).unwrap_or(catalog::Type::Text),
        nullable: column.nullable,
    };
    let (shown, hidden) = node.columns.split_at(version.plan.shown);
    let types = node.columns.iter().map(|column| column.ty.unwrap_or(Ty::Unknown)).collect();
    let kind = Kind::Materialized { types, hidden: hidden.iter().map(column).collect() };
    let key = node.key_columns().map(|column| column.label.clone()).collect();
    Relation { name: name.to_owned(), columns: shown.iter().map(column).collect(), key, kind }
}

/// Runs statements whose names come from a catalog or a plan.
pub(super) async fn execute_all(
    tx: &mut Connection,
    statements: impl IntoIterator<Item = String>,
) -> Result<(), Error> {
    for statement in statements {
        tx.composed(statement).keep(false).execute().await?;
    }
    Ok(())
}
