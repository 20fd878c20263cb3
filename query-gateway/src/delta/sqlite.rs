//! Plans as the statements of SQLite.
//!
//! Names, of which `N` is the version of a view and `M` a node of its plan:
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
//!
//! Changes are joined first, and `CROSS JOIN` keeps SQLite from joining in another order: what is read is as much as
//! what changed, whatever statistics say.

mod chunk;
mod flip;
mod groups;
mod indexes;
mod node;
mod origins;
mod ranks;
mod rows;
mod tables;
mod term;
mod whole;

pub use self::{
    chunk::{Driver, Take},
    indexes::{IndexStatement, base_index},
    node::Progress,
    origins::{Origin, Place, keys_by, part},
    tables::{base_delta, base_triggers},
};
use super::{
    lookups,
    plan::{Column, Input, Node, NodeId, Operator, Plan},
};
use crate::sql::{
    sqlite::{collation, condition, expression, quoted},
    types::Ty,
};

/// The column of a table of changes that says how often a row was added; negative: removed.
pub const WEIGHT: &str = "\"#w\"";

/// A plan with the names that it has in a store.
#[derive(Clone, Debug)]
pub struct Version {
    /// Unique among the versions of all views.
    pub number: i64,
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
            Input::Node(id) => format!("temp._d{}_{}", self.number, id.0),
            Input::Relation(name) => match self.view(name) {
                Some(view) => format!("temp._d{}_{}", view.number, view.node),
                None => base_delta(name),
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
        format!("temp._{kind}{}_{}", self.number, id.0)
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

/// A value by which rows are the same: NULL is the same as NULL. An index over it is used.
fn identified(source: &str, column: &Column) -> String {
    let value = of(source, column);
    not_null(&value, column)
}

/// The same for a column by its bare name.
fn not_null(value: &str, column: &Column) -> String {
    match (column.nullable, column.ty) {
        (false, _) => value.to_owned(),
        // An empty blob is nothing that another type has; of bytes, the digits stand for them.
        (true, Some(Ty::Bytea)) => format!("iif({value} IS NULL, x'', hex({value}))"),
        (true, ty) => format!("ifnull({value}, x''){}", collate(ty)),
    }
}

/// The same, with the collation by which such values are ordered wherever they are kept.
fn ordered(value: &str, column: &Column) -> String {
    let value = not_null(value, column);
    if column.nullable { value } else { value + &collate(column.ty) }
}

/// Whether two rows have the same key.
fn same(left: &str, right: &str, columns: &[(&Column, &Column)]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .map(|(a, b)| {
            let both = Column { nullable: a.nullable || b.nullable, ..(*a).clone() };
            let value = |source: &str, column: &Column| {
                let nullable = both.nullable;
                identified(source, &Column { nullable, ..column.clone() })
            };
            format!("{} = {}", value(left, a), value(right, b))
        })
        .collect();
    parts.join(" AND ")
}

fn collate(ty: Option<Ty>) -> String {
    ty.and_then(collation).map(|collation| format!(" COLLATE {collation}")).unwrap_or_default()
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
    let searches = lookups::searches(&version.plan, &|input| version.key(input));
    searches.iter().filter_map(|search| tables::index(version, search)).collect()
}
