//! What a relation follows from, as it is read at one moment.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::{MutexGuard, RwLockReadGuard};
use tributary_chassis::fault::{Fault, Reason};

use super::{Views, definition::Served, explain};
use crate::{
    catalog::{Catalog, Kind},
    delta::{self, Context, plan::Column, statements::Version},
    lineage::{COMPUTED, Graph, Root},
    sql::{self, Problem, SqlError, nearest, relational::Query},
    store::{Maintained, Writing},
};

/// As long as it is held, the relations of the store are those of the graph: long enough to take a snapshot.
pub(crate) struct Settled<'g> {
    _writing: MutexGuard<'g, Writing>,
    _layout: Option<RwLockReadGuard<'g, ()>>,
}

impl Views {
    /// What the rows of a table or view follow from.
    pub(crate) async fn graph(&self, name: &str) -> Result<(Graph, Settled<'_>), Fault> {
        let gateway = &self.0.gateway;
        gateway.applying()?;
        let is_computed = |catalog: &Catalog| {
            matches!(catalog.get(name).map(|relation| &relation.kind), Some(Kind::View { .. }))
        };
        let (defined, mut writing, layout, catalog) = loop {
            // Definitions can be held for as long as a large index takes: nobody else needs them.
            let computed = is_computed(&gateway.catalog());
            let defined = if computed { Some(self.0.defined.lock().await) } else { None };
            // Who changes relations holds the writer first: in the other order, each would wait for the other.
            let writing = gateway.store().write().await;
            let layout = gateway.settled_layout().await;
            let catalog = gateway.catalog();
            // It may have become another kind of relation on the way.
            if is_computed(&catalog) == computed {
                break (defined, writing, layout, catalog);
            }
        };
        let nothing = Served::new();
        let served = defined.as_ref().map_or(&nothing, |defined| &defined.served);
        let Some(relation) = catalog.get(name) else { return Err(self.no_relation(&catalog, name)) };
        let (root, mut versions) = match relation.kind {
            Kind::Base { .. } => (Root::Table(name.to_owned()), Vec::new()),
            Kind::Materialized { .. } => {
                let read = read_version(&mut writing, name).await?;
                (Root::View(name.to_owned()), vec![read])
            }
            Kind::View { .. } => {
                let computed = Computed::new(served, &catalog);
                let plan = computed.plan(name).map_err(|error| refused(name, &error))?;
                let version = computed.version(plan, &mut writing).await?;
                (Root::View(name.to_owned()), vec![version])
            }
        };
        with_read(&writing.maintained, &mut versions);
        let graph = Graph { root, versions, catalog: catalog.clone() };
        Ok((graph, Settled { _writing: writing, _layout: layout }))
    }

    fn no_relation(&self, catalog: &Catalog, name: &str) -> Fault {
        if self.list().iter().any(|view| view.name == name) {
            return self.absent(name);
        }
        let views = self.list();
        let known = catalog.relations.keys().map(String::as_str).chain(views.iter().map(|v| v.name.as_str()));
        let hint = nearest(name, known).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        Fault::new(Reason::NotFound, format!("there is no table or view \"{name}\"{hint}"))
    }
}

/// The version of a materialized view that users read.
async fn read_version(writing: &mut Writing, name: &str) -> Result<Version, Fault> {
    let reads = explain::reads(writing, name).await?;
    let kept = writing.maintained.versions().iter().filter(|kept| kept.name == name);
    let mut read = kept.filter(|kept| reads.ends_with(&format!(" FROM {}", kept.version.result())));
    let version = read.next().map(|kept| kept.version.clone());
    version.ok_or_else(|| Fault::internal("explaining a row", format!("no version of {name} is kept")))
}

/// Puts in front of what is there all that it reads, each behind those that it reads itself.
fn with_read(maintained: &Maintained, versions: &mut Vec<Version>) {
    let of = |version: &Version| version.views.iter().map(|(_, read)| read.number).collect::<Vec<_>>();
    let mut needed: BTreeSet<i64> = versions.iter().flat_map(of).collect();
    let mut read = Vec::new();
    for kept in maintained.versions().iter().rev() {
        if needed.contains(&kept.version.number) {
            needed.extend(of(&kept.version));
            read.push(kept.version.clone());
        }
    }
    read.reverse();
    versions.splice(0..0, read);
}

/// Views that are computed when they are read.
struct Computed<'c> {
    served: &'c Served,
    catalog: &'c Catalog,
}

impl<'c> Computed<'c> {
    fn new(served: &'c Served, catalog: &'c Catalog) -> Self {
        Self { served, catalog }
    }

    /// How such a view could be kept.
    fn plan(&self, name: &str) -> Result<delta::Plan, SqlError> {
        let mut plain = HashMap::new();
        self.compile(name, &mut plain)?;
        let query = plain.remove(name).ok_or_else(|| unknown(name))?;
        delta::compile(&query, Context { catalog: self.catalog, plain: &plain })
    }

    /// Compiles a view with all of its kind that it reads.
    fn compile(&self, name: &str, plain: &mut HashMap<String, Query>) -> Result<(), SqlError> {
        if plain.contains_key(name) {
            return Ok(());
        }
        let definition = self.served.get(name).ok_or_else(|| unknown(name))?;
        let compiled = sql::compile_view(&definition.view, self.catalog)?;
        let mut query = compiled.query;
        if query.limit.is_none() && query.offset.is_none() {
            // In which order its rows come is nothing that they follow from.
            query.order_by.clear();
        }
        plain.insert(name.to_owned(), query);
        for read in &compiled.relations {
            let kind = self.catalog.get(read).map(|relation| &relation.kind);
            if matches!(kind, Some(Kind::View { .. })) {
                self.compile(read, plain)?;
            }
        }
        Ok(())
    }

    /// A version of which nothing is kept.
    async fn version(&self, plan: delta::Plan, writing: &mut Writing) -> Result<Version, Fault> {
        let (mut tables, mut views) = (Vec::new(), Vec::new());
        for name in plan.relations() {
            let Some(relation) = self.catalog.get(name) else { continue };
            match relation.kind {
                Kind::Base { .. } => {
                    let key = relation.key_columns().map(|(column, ty)| Column::named(column, ty));
                    tables.push((name.to_owned(), key.collect::<Vec<_>>()));
                }
                _ => views.push((name.to_owned(), read_version(writing, name).await?.reference())),
            }
        }
        Ok(Version { number: COMPUTED, dialect: self.catalog.dialect, plan, views, tables })
    }
}

fn unknown(name: &str) -> SqlError {
    Problem::UnknownRelation { name: name.to_owned(), suggestion: None }.into()
}

/// What to write instead would keep the view, and that is not what was asked for.
fn refused(name: &str, error: &SqlError) -> Fault {
    let why = match &error.problem {
        Problem::Refused { clause, reason, .. } => format!("{clause}: {reason}"),
        _ => error.to_string(),
    };
    Fault::new(Reason::Unimplemented, format!("rows of {name} cannot be explained: {why}"))
}
