//! Plans as the statements of a store: one writer for both dialects.
//!
//! Names, of which `N` is the version of a view and `M` a node of its plan; `temp` is `pg_temp` in PostgreSQL:
//!
//! | name | what it is |
//! | --- | --- |
//! | `_vN_M` | rows of a node, or what is kept of its groups |
//! | `_vN_M_out` | what others see of groups, a view |
//! | `_i_..` | an index by which changes find what they are joined with |
//! | `_x_NAME`, `_vN_x_NAME` | an index that a user asked for, on a base table and on a version |
//! | `temp._delta_TABLE`, `temp._dN_M` | changes of a base table and of a node: its columns and their weight `#w` |
//! | `temp._gN_M` | changes of the groups of a node |
//! | `temp._pN_M` | partitions in which something changed |
//! | `_sought_vN_M` | rows of a node of which it is told from what they follow |
//! | `temp._cN_M`, `temp._fN_M` | a chunk of what a node is filled from, and how far that has come |
//! | `pg_temp._rN_TABLE` | PostgreSQL: the function that runs what follows from changes of a table |
//! | `_note_TABLE` | PostgreSQL: the function that notes the changes of a base table |
//!
//! Changes are joined first, and no store may join in another order, so that what is read is as much as what changed, whatever
//! statistics say. SQLite keeps to the order of `CROSS JOIN`. PostgreSQL joins as it likes, but not across
//! `LATERAL (SELECT .. OFFSET 0)`: each table is such a sub-query in which it is looked up by what is known by then.
//!
//! What is written is the same in both dialects but for such words, so that it is written in one place; `dialect` has the
//! words. Where a store needs statements of another form, as for triggers and for the frontier of a chunk, both
//! stand side by side.

mod chunk;
mod dialect;
mod flip;
mod groups;
mod indexes;
mod node;
mod origins;
mod ranks;
mod routine;
mod rows;
mod tables;
mod tally;
mod term;
mod whole;

pub use self::{
    chunk::{Driver, Take},
    indexes::{IndexStatement, base_index},
    node::Progress,
    origins::{Origin, Place, keys_by, part},
    routine::Routine,
    tables::{base_clear, base_delta, base_triggers, base_untracked},
};
use super::{
    lookups,
    plan::{Column, Input, Node, NodeId, Operator, Plan},
};
use crate::sql::{Dialect, text::quoted};

/// The column of a table of changes that says how often a row was added; negative: removed.
pub const WEIGHT: &str = "\"#w\"";

/// Settings of a session of PostgreSQL that keeps views. What a table is joined by is given, see above; how it is looked up
/// must not depend on how large it was when a statement was planned first. What is compiled costs more than it saves.
pub const POSTGRES_WRITER: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    // Changes are in tables of the session, which should stay in memory.
    ("temp_buffers", "32MB"),
    ("max_parallel_workers_per_gather", "0"),
];

/// A plan with the names that it has in a store.
#[derive(Clone, Debug)]
pub struct Version {
    /// Unique among the versions of all views.
    pub number: i64,
    /// Of the store.
    pub dialect: Dialect,
    /// What is written down.
    pub plan: Plan,
    /// The views among the relations that it reads, each with its last node and that node's columns.
    pub views: Vec<(String, Reference)>,
    /// The base tables that it reads, with the columns of their keys.
    pub tables: Vec<(String, Vec<Column>)>,
}

/// The rows of another view.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Its version.
    pub number: i64,
    /// The last node of its plan.
    pub node: usize,
    /// The columns that identify a row of it.
    pub key: Vec<Column>,
    /// Whether that node keeps groups.
    pub grouped: bool,
    /// The columns of it, each with that of its table which holds it; none for what is computed when it is read.
    pub stored: Vec<(String, Option<String>)>,
}

impl Version {
    fn node(&self, id: NodeId) -> &Node {
        &self.plan.nodes[id.0]
    }

    fn view(&self, name: &str) -> Option<&Reference> {
        self.views.iter().find(|(view, _)| view == name).map(|(_, reference)| reference)
    }

    /// What others read of an input.
    fn relation(&self, input: &Input) -> String {
        match input {
            Input::Node(id) => out(self.number, id.0, matches!(self.node(*id).operator, Operator::Groups(_))),
            Input::Relation(name) => match self.view(name) {
                Some(view) => out(view.number, view.node, view.grouped),
                None => quoted(name),
            },
        }
    }

    /// Where the rows of an input are kept.
    pub(crate) fn storage(&self, input: &Input) -> String {
        match input {
            Input::Node(id) => stored(self.number, id.0),
            Input::Relation(name) => match self.view(name) {
                Some(view) => stored(view.number, view.node),
                None => quoted(name),
            },
        }
    }

    /// The changes of an input.
    fn delta(&self, input: &Input) -> String {
        match input {
            Input::Node(id) => self.temporary('d', *id),
            Input::Relation(name) => match self.view(name) {
                Some(view) => format!("{}._d{}_{}", self.dialect.temporary(), view.number, view.node),
                None => base_delta(self.dialect, name),
            },
        }
    }

    /// What identifies a row of an input.
    fn key(&self, input: &Input) -> Vec<Column> {
        match input {
            Input::Node(id) => self.node(*id).key_columns().cloned().collect(),
            Input::Relation(name) => match self.view(name) {
                Some(view) => view.key.clone(),
                None => {
                    let table = self.tables.iter().find(|(table, _)| table == name);
                    table.map(|(_, key)| key.clone()).unwrap_or_default()
                }
            },
        }
    }

    /// Names of the columns that identify a row of an input.
    pub fn key_labels(&self, input: &Input) -> Vec<String> {
        self.key(input).into_iter().map(|column| column.label).collect()
    }

    /// The name of what users read: the rows of the last node.
    pub fn result(&self) -> String {
        self.relation(&Input::Node(self.plan.last()))
    }

    /// Another view's way to these rows.
    pub fn reference(&self) -> Reference {
        let last = self.node(self.plan.last());
        Reference {
            number: self.number,
            node: self.plan.last().0,
            key: last.key_columns().cloned().collect(),
            grouped: matches!(last.operator, Operator::Groups(_)),
            stored: last
                .columns
                .iter()
                .map(|column| (column.label.clone(), last.stored_as(&column.label)))
                .collect(),
        }
    }

    fn temporary(&self, kind: char, id: NodeId) -> String {
        format!("{}._{kind}{}_{}", self.dialect.temporary(), self.number, id.0)
    }
}

fn stored(number: i64, node: usize) -> String {
    format!("_v{number}_{node}")
}

fn out(number: i64, node: usize, grouped: bool) -> String {
    let suffix = if grouped { "_out" } else { "" };
    format!("_v{number}_{node}{suffix}")
}

/// A column in a row source.
fn of(source: &str, column: &Column) -> String {
    format!("{source}.{}", quoted(&column.label))
}

fn list<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    items.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

fn labels<'c>(columns: impl IntoIterator<Item = &'c Column>) -> String {
    list(columns, |column| quoted(&column.label))
}

fn and(conditions: &[String]) -> String {
    if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") }
}

/// The indexes that a version needs on what it reads.
pub fn indexes(version: &Version) -> Vec<IndexStatement> {
    let nulls = version.dialect == Dialect::Postgres;
    let searches = lookups::searches(&version.plan, nulls, &|input| version.key(input));
    searches.iter().filter_map(|search| tables::index(version, search)).collect()
}
