//! From rows of a relation to the rows of base tables from which they follow.

use std::{collections::BTreeMap, sync::Arc};

use tributary_chassis::fault::{Fault, Reason};

use super::condition::{self, Part};
use crate::{
    catalog::{Catalog, Column},
    delta::{
        plan::{Input, Node, NodeId},
        statements::{Place, Version, keys_by, part},
    },
    sql::Dialect,
};

/// Operands of one compound SELECT; a store takes some hundreds.
const MAX_OPERANDS: usize = 100;

/// Queries of one statement once each has been put in the place of its name, which is how the store prepares it: for tens
/// of milliseconds, in which no deadline stops it.
const MAX_PLACES: usize = 10_000;

/// How often the statement names what it finds of each table.
const NAMED: usize = 4;

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
    let dialect = graph.catalog.dialect;
    let (source, condition) = condition::condition(graph, key)?;
    let mut sought: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    let mut places = Places::default();
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
        if version.number == COMPUTED {
            queries.extend(version.whole());
            places.of_nodes = version.places();
        } else {
            places.of_nodes.clear();
        }
        for id in (0..version.plan.nodes.len()).rev().map(NodeId) {
            let place = Place::Node(version.number, id.0);
            let Some(selects) = sought.remove(&place) else { continue };
            queries.push(query(dialect, &place.sought(), version.key_width(id), &selects));
            let read = places.read(&version.plan.nodes[id.0], &place);
            for origin in version.origins(id, &place.sought()) {
                places.add(&origin.place, read);
                sought.entry(origin.place).or_default().push(origin.keys);
            }
        }
    }
    let mut tables = BTreeMap::new();
    for (place, selects) in sought {
        let Place::Table(table) = &place else { continue };
        places.all = places.all.saturating_add(places.of(&place).saturating_mul(NAMED));
        queries.push(query(dialect, &place.sought(), key_of(graph, table).len(), &selects));
        tables.insert(table.clone(), place.sought());
    }
    if places.all > MAX_PLACES {
        let text = format!(
            "rows of {} cannot be explained: sub-queries: they read each other in too many ways for one statement; explain \
             rows of the views that it reads",
            graph.name()
        );
        return Err(Fault::new(Reason::Unimplemented, text));
    }
    Ok(Trace { queries, root: root.sought(), tables })
}

/// How many queries stand in the place of names.
#[derive(Default)]
struct Places {
    /// Of what is sought.
    sought: BTreeMap<Place, usize>,
    /// Of the nodes of the version at hand, where these are queries.
    of_nodes: Vec<usize>,
    all: usize,
}

impl Places {
    fn of(&self, place: &Place) -> usize {
        self.sought.get(place).copied().unwrap_or(1)
    }

    fn add(&mut self, place: &Place, places: usize) {
        let sum = self.of(place).saturating_add(places);
        self.sought.insert(place.clone(), sum);
    }

    /// What a query stands for that seeks in the leaves of a node.
    fn read(&self, node: &Node, sought: &Place) -> usize {
        node.leaves().iter().fold(self.of(sought), |sum, leaf| match leaf.input {
            Input::Node(NodeId(at)) => sum.saturating_add(self.of_nodes.get(at).copied().unwrap_or(1)),
            Input::Relation(_) => sum.saturating_add(1),
        })
    }
}

fn key_of(graph: &Graph, table: &str) -> Vec<Column> {
    let relation = graph.catalog.get(table);
    relation.iter().flat_map(|relation| relation.key_columns()).map(|(column, _)| column.clone()).collect()
}

/// `name (q0, ..) AS MATERIALIZED (..)`: the keys that any of the SELECTs has, each once. DISTINCT would keep the store from
/// looking through what is on the right of an outer join: UNION does not, of one SELECT and of one that has no rows.
fn query(dialect: Dialect, name: &str, width: usize, selects: &[String]) -> String {
    let parts: Vec<String> = (0..width).map(part).collect();
    let mut operands: Vec<String> = match selects.len() {
        0..=MAX_OPERANDS => selects.to_vec(),
        _ => {
            let chunks = selects.chunks(MAX_OPERANDS);
            chunks.map(|chunk| format!("SELECT * FROM {}", dialect.unnamed(&chunk.join(" UNION ")))).collect()
        }
    };
    operands.push(format!("SELECT {} WHERE FALSE", vec!["NULL"; width].join(", ")));
    format!("{name} ({}) AS MATERIALIZED ({})", parts.join(", "), operands.join(" UNION "))
}
