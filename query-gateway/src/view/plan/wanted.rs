//! The versions of materialized views, as they are wanted.

use sha2::{Digest as _, Sha256};

use super::{
    Computed, Given,
    outcome::{Outcome, Outcomes},
};
use crate::{
    catalog::{Catalog, Kind, Relation},
    delta::{
        self, Context, Plan,
        plan::{Column, NodeId},
        statements::{Progress, Reference, Version},
    },
    sql::{self, Compiled, Dialect, SqlError},
    store::maintained,
    view::definition::Definition,
};

/// One version of one view.
#[derive(Clone, Debug)]
pub(in crate::view) struct Wanted {
    pub(in crate::view) name: String,
    /// Of all on which its rows depend but the rows of tables: with another one it is another version.
    pub(in crate::view) fingerprint: String,
    pub(in crate::view) version: Version,
    /// Whether an earlier run has completed it.
    pub(in crate::view) complete: bool,
}

/// Compiles all views over each other; those that are materialized become versions. With what there will be once these are
/// complete.
pub(super) fn wanted(
    definitions: &[Definition],
    tables: &Catalog,
    given: Given<'_>,
    outcomes: &mut Outcomes,
) -> (Vec<Wanted>, Catalog) {
    let mut wanting = Wanting {
        given,
        catalog: tables.clone(),
        computed: Computed::new(),
        wanted: Vec::new(),
        next_number: given.next_number,
    };
    // Each round can give another one what it waits for, in whatever order the files come.
    loop {
        let mut progress = false;
        for definition in definitions {
            let name = definition.view.name.as_str();
            if matches!(outcomes.get(name), Some(Outcome::Waits(_))) {
                let outcome =
                    wanting.take(definition).unwrap_or_else(|error| Outcomes::of_error(definition, &error));
                progress |= matches!(outcome, Outcome::Ready(_) | Outcome::Fills(..));
                outcomes.set(name, outcome);
            }
        }
        if !progress {
            return (wanting.wanted, wanting.catalog);
        }
    }
}

struct Wanting<'a> {
    given: Given<'a>,
    /// Tables, and the views that were compiled so far.
    catalog: Catalog,
    computed: Computed,
    wanted: Vec<Wanted>,
    next_number: i64,
}

impl Wanting<'_> {
    fn take(&mut self, definition: &Definition) -> Result<Outcome, SqlError> {
        let view = &definition.view;
        let compiled = sql::compile_view(view, &self.catalog)?;
        if !view.materialized {
            let relation = Relation::view(&view.name, compiled.columns.clone(), compiled.types());
            self.catalog = self.catalog.with(|_| false, [relation.into()]);
            self.computed.insert(view.name.clone(), compiled.query);
            return Ok(Outcome::Ready(compiled.columns));
        }
        let wanted = self.version(&view.name, &compiled)?;
        let identity = (view.name.clone(), wanted.fingerprint.clone());
        let refused = self.given.failures.get(&identity);
        if let Some(refused) = refused.filter(|refused| !refused.filled_again) {
            let failure = Some(refused.failure.clone());
            return Ok(Outcome::Failed { reason: definition.origin.reason(&refused.reason), failure });
        }
        let again = refused.map(|refused| refused.reason.clone());
        let number = wanted.version.number;
        let complete =
            wanted.complete || self.given.maintained.get(number).is_some_and(|kept| kept.is_complete());
        self.catalog =
            self.catalog.with(|_| false, [maintained::relation(&view.name, &wanted.version).into()]);
        self.wanted.push(wanted);
        let columns = compiled.columns;
        Ok(if complete { Outcome::Ready(columns) } else { Outcome::Fills(columns, again) })
    }

    /// The version that keeps a query: one that is there, or else a new one.
    fn version(&mut self, name: &str, compiled: &Compiled) -> Result<Wanted, SqlError> {
        let context = Context { catalog: &self.catalog, plain: &self.computed };
        let plan = delta::compile(&compiled.query, context)?;
        let (mut tables, mut views) = (Vec::new(), Vec::new());
        for relation in plan.relations() {
            let Some(known) = self.catalog.get(relation) else { continue };
            match &known.kind {
                Kind::Base { .. } => {
                    let key = known.key_columns();
                    let key = key.map(|(column, ty)| Column::named(column, ty));
                    tables.push((relation.to_owned(), key.collect()));
                }
                Kind::Materialized { .. } | Kind::View { .. } => {
                    let read = self.wanted.iter().find(|wanted| wanted.name == relation);
                    views.extend(read.map(|read| (relation.to_owned(), read.version.reference())));
                }
            }
        }
        let dialect = self.catalog.dialect;
        let fingerprint = fingerprint(dialect, &plan, &tables, &views);
        let mut kept = self.given.maintained.versions().iter();
        let kept = kept.rfind(|kept| kept.name == name && kept.fingerprint == fingerprint);
        let stored = self.given.stored.get(&(name.to_owned(), fingerprint.clone())).copied();
        let number = kept.map(|kept| kept.version.number).or(stored).unwrap_or_else(|| {
            self.next_number += 1;
            self.next_number - 1
        });
        let version = Version { number, dialect, plan, views, tables };
        Ok(Wanted {
            name: name.to_owned(),
            fingerprint,
            version,
            complete: kept.is_none() && stored.is_some(),
        })
    }
}

/// Of all that decides what is kept and how: with another program, other statements are another version, too.
fn fingerprint(
    dialect: Dialect,
    plan: &Plan,
    tables: &[(String, Vec<Column>)],
    views: &[(String, Reference)],
) -> String {
    let version =
        Version { number: 0, dialect, plan: plan.clone(), views: views.to_vec(), tables: tables.to_vec() };
    let mut digest = Sha256::new();
    digest.update(format!("{plan:?}{tables:?}{views:?}"));
    let nodes = (0..plan.nodes.len()).map(NodeId);
    nodes.flat_map(|node| version.create(node)).for_each(|statement| digest.update(statement));
    let filled = vec![Progress::Filled; plan.nodes.len()];
    let none = String::new();
    for table in tables.iter().map(|(table, _)| table).chain([&none]) {
        let program = version.program(table, &|_| true, &filled, true);
        program.iter().for_each(|statement| digest.update(statement));
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
