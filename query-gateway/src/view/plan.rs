//! Which views can be there with the tables there are, in which order, and why the others cannot. Pure.
//!
//! What is materialized is planned twice: as it is *wanted*, over the tables and views as they are defined now; and as it
//! is *read*, which may still be an earlier version, until the wanted one is complete.

mod indexes;
mod outcome;
mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::outcome::{Outcome, Outcomes};
pub(super) use self::wanted::Wanted;
use super::{
    View, ViewState,
    definition::{Definition, Index},
};
use crate::{
    catalog::{Catalog, Kind, Relation},
    gateway::Failures,
    sql::{self, Compiled, SqlError, relational::Query},
    store::{IndexStatement, Maintained, maintained},
};

/// What should be in the store.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Every definition in its state, in the order of the definitions.
    pub(super) views: Vec<View>,
    /// Those that can be read; each stands behind all that it reads.
    pub(super) relations: Vec<Relation>,
    /// The statement that creates each of `relations`.
    pub(super) creates: Vec<String>,
    /// Numbers of the versions that can be read.
    pub(super) read: BTreeSet<i64>,
    /// The versions of what is materialized, as it is wanted; each stands behind all that it reads.
    pub(super) wanted: Vec<Wanted>,
    /// What can be read once all of `wanted` is complete.
    pub(super) catalog: Catalog,
    /// Views that are wrong in themselves, and not because of one that they read.
    pub(super) wrong: BTreeSet<String>,
    /// The indexes that users ask for; on versions of views with their numbers.
    pub(super) indexes: Vec<(Option<i64>, IndexStatement)>,
}

/// What a plan is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    /// Its tables count, its views do not.
    pub(super) catalog: &'a Catalog,
    /// The versions that are kept.
    pub(super) maintained: &'a Maintained,
    /// Complete versions of an earlier run, by view and fingerprint.
    pub(super) stored: &'a BTreeMap<(String, String), i64>,
    /// A number that no version has had.
    pub(super) next_number: i64,
    /// Versions that could not be kept up.
    pub(super) failures: &'a Failures,
    /// What the store does not take, with the reason: by view, and the statement that defines it.
    pub(super) unstorable: &'a BTreeMap<(String, String), String>,
}

/// Plans `definitions` and `indexes`.
pub(super) fn plan(definitions: &[Definition], indexes: &[Index], given: Given<'_>) -> Plan {
    let tables = given.catalog.with(|relation| !matches!(relation.kind, Kind::Base { .. }), []);
    let mut outcomes = Outcomes::new(definitions, given);
    let (wanted, catalog) = wanted::wanted(definitions, &tables, given, &mut outcomes);
    let mut plan = Plan { wanted, catalog, ..Plan::default() };
    read(definitions, tables, given, &mut outcomes, &mut plan);
    for definition in definitions {
        let (view, wrong) = outcomes.view(definition);
        if wrong {
            plan.wrong.insert(view.name.clone());
        }
        plan.views.push(view);
    }
    for index in indexes {
        let (view, statements) = indexes::plan(index, &plan, given.maintained);
        plan.views.push(view);
        plan.indexes.extend(statements);
    }
    plan
}

/// What users can read: materialized views as far as one version is complete, and what is computed over them.
fn read(
    definitions: &[Definition],
    mut catalog: Catalog,
    given: Given<'_>,
    outcomes: &mut Outcomes,
    plan: &mut Plan,
) {
    for definition in definitions.iter().filter(|definition| definition.view.materialized) {
        let name = &definition.view.name;
        let Some(Outcome::Ready(_) | Outcome::Fills(..)) = outcomes.get(name) else { continue };
        let wanted = plan.wanted.iter().find(|wanted| wanted.name == *name);
        let complete = |number: i64| given.maintained.get(number).is_some_and(|kept| kept.is_complete());
        let mut earlier =
            given.maintained.versions().iter().filter(|kept| kept.name == *name && kept.is_complete());
        let version = match wanted {
            Some(wanted) if wanted.complete || complete(wanted.version.number) => Some(&wanted.version),
            _ => earlier.next_back().map(|kept| &kept.version),
        };
        if let Some(version) = version {
            let relation = maintained::relation(name, version);
            let columns = names(&relation);
            plan.creates.push(format!(
                "CREATE VIEW {} ({columns}) AS SELECT {columns} FROM {}",
                quoted(name),
                version.result()
            ));
            catalog = catalog.with(|_| false, [relation.clone().into()]);
            plan.relations.push(relation);
            plan.read.insert(version.number);
        }
    }
    // Each round can give another one what it waits for, in whatever order the files come.
    loop {
        let before = plan.relations.len();
        for definition in definitions.iter().filter(|definition| !definition.view.materialized) {
            let name = definition.view.name.as_str();
            if !matches!(outcomes.get(name), Some(Outcome::Ready(_))) || catalog.get(name).is_some() {
                continue;
            }
            if let Ok((relation, create)) = computed(definition, &catalog) {
                catalog = catalog.with(|_| false, [relation.clone().into()]);
                plan.relations.push(relation);
                plan.creates.push(create);
            }
        }
        if plan.relations.len() == before {
            break;
        }
    }
    for definition in definitions.iter().filter(|definition| !definition.view.materialized) {
        outcomes.unreadable(definition, &catalog);
    }
}

/// A view that is computed when it is read, and the statement that creates it.
fn computed(definition: &Definition, catalog: &Catalog) -> Result<(Relation, String), SqlError> {
    let view = &definition.view;
    let compiled = sql::compile_view(view, catalog)?;
    let types = compiled.types();
    let Compiled { columns, text, .. } = compiled;
    let relation = Relation::view(&view.name, columns, types);
    let create = format!("CREATE VIEW {} ({}) AS {text}", quoted(&view.name), names(&relation));
    Ok((relation, create))
}

/// The queries of views that are computed when they are read, under the names that their definitions give.
type Computed = HashMap<String, Query>;

fn names(relation: &Relation) -> String {
    relation.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// As an identifier of SQLite.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
