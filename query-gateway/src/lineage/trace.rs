//! From rows of a relation to the rows of base tables from which they follow.

use std::{collections::BTreeMap, sync::Arc};

use tributary_chassis::fault::Fault;

use super::condition::{self, Part};
use crate::{
    catalog::{Catalog, Column},
    delta::{
        plan::NodeId,
        sqlite::{Place, Version, keys_by, part},
    },
};

/// Operands of one compound SELECT; a store takes some hundreds.
const MAX_OPERANDS: usize = 100;

/// A relation, and all that it follows from, as they are at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// What rows are asked about.
    pub(crate) root: Root,
    /// Every view behind those that it reads.
    pub(crate) versions: Vec<Version>,
    /// The relations that can be read.
    pub(crate) catalog: Arc<Catalog>,
}

/// What rows are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// A base table.
    Table(String),
    /// A view, whose version is the last of [`Graph::versions`].
    View(String),
}

/// The number of a version of which nothing is kept: no other has it.
pub(crate) const COMPUTED: i64 = 0;

/// The way from some rows to the rows of base tables.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// What stands behind WITH.
    pub(crate) queries: Vec<String>,
    /// The query of the keys of the rows that are asked about.
    pub(crate) root: String,
    /// Base tables, each with the query of the keys of its rows.
    pub(crate) tables: BTreeMap<String, String>,
}

impl Graph {
    /// The name of the relation.
    pub(crate) fn name(&self) -> &str {
        match &self.root {
            Root::Table(name) | Root::View(name) => name,
        }
    }

    /// The columns that identify a row and that users can name.
    pub(super) fn key(&self) -> Vec<String> {
        let Some(relation) = self.catalog.get(self.name()) else { return Vec::new() };
        let key: Vec<String> = match (&self.root, self.versions.last()) {
            (Root::View(_), Some(version)) => {
                let last = version.plan.nodes.last();
                last.iter().flat_map(|node| node.key_columns()).map(|column| column.label.clone()).collect()
            }
            _ => relation.key.clone(),
        };
        key.into_iter().filter(|name| relation.column(name).is_some()).collect()
    }
}

/// Finds the rows of base tables from which those rows follow that have `key`; all rows if that is empty.
pub(crate) fn trace(graph: &Graph, key: &[Part]) -> Result<Trace, Fault> {
    let (source, condition) = condition::condition(graph, key)?;
    let mut sought: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    let mut queries = Vec::new();
    let root = match (&graph.root, graph.versions.last()) {
        (Root::View(_), Some(version)) => {
            let root = Place::Node(version.number, version.plan.last().0);
            sought.insert(root.clone(), vec![version.sought_by(source, &condition)]);
            root
        }
        (Root::Table(name) | Root::View(name), _) => {
            let root = Place::Table(name.clone());
            sought.insert(root.clone(), vec![keys_by(name, &key_of(graph, name), source, &condition)]);
            root
        }
    };
    for version in graph.versions.iter().rev() {
        let computed = version.number == COMPUTED;
        for id in (0..version.plan.nodes.len()).rev().map(NodeId) {
            if computed {
                queries.push(version.whole(id));
            }
            let place = Place::Node(version.number, id.0);
            let Some(selects) = sought.remove(&place) else { continue };
            queries.push(query(&place.sought(), version.key_width(id), &selects));
            for origin in version.origins(id, &place.sought()) {
                sought.entry(origin.place).or_default().push(origin.keys);
            }
        }
    }
    let mut tables = BTreeMap::new();
    for (place, selects) in sought {
        let Place::Table(table) = &place else { continue };
        queries.push(query(&place.sought(), key_of(graph, table).len(), &selects));
        tables.insert(table.clone(), place.sought());
    }
    Ok(Trace { queries, root: root.sought(), tables })
}

fn key_of(graph: &Graph, table: &str) -> Vec<Column> {
    let relation = graph.catalog.get(table);
    relation.iter().flat_map(|relation| relation.key_columns()).map(|(column, _)| column.clone()).collect()
}

/// `name (q0, ..) AS MATERIALIZED (..)`: the keys that any of the SELECTs has, each once. DISTINCT would keep the store from
/// looking through what is on the right of an outer join: UNION does not, of one SELECT and of one that has no rows.
fn query(name: &str, width: usize, selects: &[String]) -> String {
    let parts: Vec<String> = (0..width).map(part).collect();
    let mut operands: Vec<String> = match selects.len() {
        0..=MAX_OPERANDS => selects.to_vec(),
        _ => {
            let chunks = selects.chunks(MAX_OPERANDS);
            chunks.map(|chunk| format!("SELECT * FROM ({})", chunk.join(" UNION "))).collect()
        }
    };
    operands.push(format!("SELECT {} WHERE FALSE", vec!["NULL"; width].join(", ")));
    format!("{name} ({}) AS MATERIALIZED ({})", parts.join(", "), operands.join(" UNION "))
}
