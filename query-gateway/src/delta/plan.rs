//! The plan of a view: which intermediate results are kept, and from what each of them follows. It knows no store
//! and no SQL text.
//!
//! A plan is a list of nodes, each kept as a table of its own and each computed from base tables, other views, and
//! nodes in front of it. Every node has a key, so that a change of one of its rows is an old and a new image of the
//! same key. There are three kinds:
//!
//! - [`Operator::Rows`]: joins, filters and projections, and UNION ALL of those;
//! - [`Operator::Groups`]: GROUP BY, DISTINCT, and aggregates without GROUP BY;
//! - [`Operator::Ranks`]: window functions, partition by partition.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog,
    sql::{
        aggregates::AggregateFunction,
        relational::{Aggregate, Expr, ExprKind, SourceId},
        types::Ty,
        walk,
    },
};

/// How a materialized view is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Each behind those that it reads. The last one holds the rows of the view: its columns come first, under the names
    /// that users know, and behind them what else identifies a row.
    pub nodes: Vec<Node>,
    /// How many columns the view has.
    pub shown: usize,
}

/// A place in [`Plan::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// What can be read, and whose changes are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// A base table, or another materialized view.
    Relation(String),
    /// A node of the same plan.
    Node(NodeId),
}

/// An intermediate result that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What others read of it.
    pub columns: Vec<Column>,
    /// Places in `columns` that identify a row.
    pub key: Vec<usize>,
    /// From what it follows.
    pub operator: Operator,
}

/// What the labels of columns begin with that no user has named.
pub const HIDDEN: char = '#';

/// A column of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Unique in the node. What users cannot see begins with [`HIDDEN`].
    pub label: String,
    /// Its type; `None` where values of different types identify rows of different branches.
    pub ty: Option<Ty>,
    /// Whether it can be NULL.
    pub nullable: bool,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// The rows of all blocks; each block projects to the columns of the node.
    Rows(Vec<Block>),
    /// One row for each group.
    Groups(Groups),
    /// One row for each row of a leaf, with what is computed over its partition.
    Ranks(Ranks),
}

/// Rows of leaves that are joined, filtered and projected.
///
/// One factor per leaf multiplied, it is linear in each of them, so that its change is a sum of such terms in which
/// some leaves are replaced by their changes. See [`super::terms`].
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// In order: an outer leaf, and one that is only looked for, may name those in front of it.
    pub leaves: Vec<Leaf>,
    /// Conditions on the rows that the leaves make, all of which hold.
    pub filter: Vec<Expr>,
    /// What is computed of each row.
    pub projection: Vec<Expr>,
}

/// An operand of a join.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// By which expressions name its columns.
    pub id: SourceId,
    /// What it reads.
    pub input: Input,
    /// How it takes part.
    pub kind: LeafKind,
    /// When a row of it is a partner; empty for an inner leaf, whose conditions are in the filter of its block.
    pub on: Vec<Expr>,
}

/// How a leaf takes part in a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// Its rows are joined.
    Inner,
    /// Its partners are joined, or NULLs if there are none.
    Left,
    /// A row needs a partner: EXISTS, IN.
    Semi,
    /// A row must not have a partner: NOT EXISTS, NOT IN.
    Anti,
}

/// Groups, and what is kept of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// What rows are grouped by. The columns that a store keeps are these, [`ROWS`], and those of the feeds.
    pub keys: Vec<Column>,
    /// Without GROUP BY: there is one group, even if it is empty.
    pub whole: bool,
    /// Where the rows come from. The first feed decides which groups there are.
    pub feeds: Vec<Feed>,
    /// By which `outputs` and `having` name the columns that are kept.
    pub id: SourceId,
    /// For each column of the node, how it follows from what is kept.
    pub outputs: Vec<Expr>,
    /// HAVING: conditions on the groups that others see.
    pub having: Vec<Expr>,
}

/// The column that counts the rows of a group.
pub const ROWS: &str = "#rows";

/// Rows that are aggregated.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Each projects to the keys, then to the arguments of `sums`, then to what `lookups` take in: a change of any of it
    /// is a change of the group.
    pub blocks: Vec<Block>,
    /// What follows from the changes alone; one argument each.
    pub sums: Vec<Measure>,
    /// What has to be looked up again. If there is any, there is one block of one leaf, and the keys are columns of it.
    pub lookups: Vec<Lookup>,
}

/// An aggregate that is linear in its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Label of the column that keeps it.
    pub label: String,
    /// Type of that column.
    pub ty: Ty,
    /// What is added up.
    pub kind: MeasureKind,
}

/// What is added up over the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// One for each value that is not NULL.
    Count,
    /// The values that are not NULL, which are integers; 0 of none.
    Sum,
    /// The values that are not NULL, which are numerics, as a text: their sum, and how many of them show how many digits.
    Tally,
}

/// An aggregate that is computed again from the rows of its group.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Label of the column that keeps it.
    pub label: String,
    /// Type of that column.
    pub ty: Ty,
    /// Over the columns of the feed's only leaf.
    pub aggregate: Aggregate,
}

/// Window functions over one leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranks {
    /// An inner leaf.
    pub leaf: Leaf,
    /// Conditions on its rows.
    pub filter: Vec<Expr>,
    /// Columns of the leaf by which every window is partitioned.
    pub partition: Vec<Expr>,
    /// Places in the node's columns that hold `partition`.
    pub partition_columns: Vec<usize>,
    /// For each column of the node; window functions may stand in it.
    pub projection: Vec<Expr>,
}

impl Column {
    /// A column of a relation; of type unknown is what holds values of different types.
    pub fn named(column: &catalog::Column, ty: Ty) -> Self {
        let ty = Some(ty).filter(|ty| *ty != Ty::Unknown);
        Self { label: column.name.clone(), ty, nullable: column.nullable }
    }

    /// A column of a known type.
    pub fn new(label: impl Into<String>, ty: Ty, nullable: bool) -> Self {
        Self { label: label.into(), ty: Some(ty), nullable }
    }

    /// As an expression over rows of `source`.
    pub fn of(&self, source: SourceId) -> Expr {
        let kind = ExprKind::Column { source, label: self.label.clone() };
        Expr::new(kind, self.ty.unwrap_or(Ty::Text), self.nullable)
    }
}

impl Plan {
    /// The node that holds the rows of the view.
    pub fn last(&self) -> NodeId {
        NodeId(self.nodes.len().saturating_sub(1))
    }

    /// Tables and views that are read.
    pub fn relations(&self) -> BTreeSet<&str> {
        let inputs = self.nodes.iter().flat_map(Node::leaves).map(|leaf| &leaf.input);
        inputs
            .filter_map(|input| match input {
                Input::Relation(name) => Some(name.as_str()),
                Input::Node(_) => None,
            })
            .collect()
    }
}

impl Node {
    /// Every block that it follows from.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        let (rows, feeds): (&[Block], &[Feed]) = match &self.operator {
            Operator::Rows(blocks) => (blocks, &[]),
            Operator::Groups(groups) => (&[], &groups.feeds),
            Operator::Ranks(_) => (&[], &[]),
        };
        rows.iter().chain(feeds.iter().flat_map(|feed| &feed.blocks))
    }

    /// Every leaf that it reads.
    pub fn leaves(&self) -> Vec<&Leaf> {
        match &self.operator {
            Operator::Rows(blocks) => blocks.iter().flat_map(|block| &block.leaves).collect(),
            Operator::Groups(groups) => {
                let blocks = groups.feeds.iter().flat_map(|feed| &feed.blocks);
                blocks.flat_map(|block| &block.leaves).collect()
            }
            Operator::Ranks(ranks) => vec![&ranks.leaf],
        }
    }

    /// The same, to be changed.
    pub(super) fn leaves_mut(&mut self) -> Vec<&mut Leaf> {
        match &mut self.operator {
            Operator::Rows(blocks) => blocks.iter_mut().flat_map(|block| &mut block.leaves).collect(),
            Operator::Groups(groups) => {
                let blocks = groups.feeds.iter_mut().flat_map(|feed| &mut feed.blocks);
                blocks.flat_map(|block| &mut block.leaves).collect()
            }
            Operator::Ranks(ranks) => vec![&mut ranks.leaf],
        }
    }

    /// The column of its table that holds what others see as `label`; none for what is computed when it is read.
    pub fn stored_as(&self, label: &str) -> Option<String> {
        let at = self.columns.iter().position(|column| column.label == label)?;
        match &self.operator {
            Operator::Rows(_) | Operator::Ranks(_) => Some(label.to_owned()),
            Operator::Groups(groups) => match &groups.outputs.get(at)?.kind {
                ExprKind::Column { label, .. } => Some(label.clone()),
                _ => None,
            },
        }
    }

    /// Labels of the columns that identify a row.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|place| &self.columns[*place])
    }
}

impl Lookup {
    /// Whether it is the smallest or largest value, which an index has at one end.
    pub fn is_extreme(&self) -> bool {
        matches!(self.aggregate.function, AggregateFunction::Min | AggregateFunction::Max)
    }
}

impl Block {
    /// The leaf of that name.
    pub fn leaf(&self, id: SourceId) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.id == id)
    }

    /// Labels of the columns of `leaf` that occur anywhere.
    pub fn used(&self, leaf: SourceId) -> BTreeSet<&str> {
        let mut used = BTreeSet::new();
        self.exprs().for_each(|expr| columns_of(expr, leaf, &mut used));
        used
    }

    /// The same, each with its type.
    pub fn used_columns(&self, leaf: SourceId) -> BTreeMap<&str, Ty> {
        let mut used = BTreeMap::new();
        for expr in self.exprs() {
            walk::visit(expr, &mut |expr| {
                if let ExprKind::Column { source, label } = &expr.kind
                    && *source == leaf
                {
                    used.insert(label.as_str(), expr.ty);
                }
            });
        }
        used
    }

    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let on = self.leaves.iter().flat_map(|leaf| &leaf.on);
        self.projection.iter().chain(&self.filter).chain(on)
    }
}

/// Adds the labels of the columns of `leaf` that occur in `expr`.
pub fn columns_of<'e>(expr: &'e Expr, leaf: SourceId, labels: &mut BTreeSet<&'e str>) {
    walk::visit(expr, &mut |expr| {
        if let ExprKind::Column { source, label } = &expr.kind
            && *source == leaf
        {
            labels.insert(label);
        }
    });
}

/// The row sources that an expression names.
pub fn sources(expr: &Expr) -> BTreeSet<SourceId> {
    let mut sources = BTreeSet::new();
    walk::visit(expr, &mut |expr| {
        if let ExprKind::Column { source, .. } = &expr.kind {
            sources.insert(*source);
        }
    });
    sources
}
