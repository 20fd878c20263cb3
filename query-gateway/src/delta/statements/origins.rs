//! From which rows of what a node reads some of its rows follow.
//!
//! - Of joins: the rows of each leaf that are joined in them, partners of outer leaves among them, and the partners that
//!   make EXISTS true. Where there must be no partner, there is no row to name.
//! - Of groups: every row of the group.
//! - Of windows: every row of the partition.

use super::{Version, and, list, of, quoted, stored, whole::Joined};
use crate::{
    catalog,
    delta::{
        mutant::Mutant,
        plan::{Block, Column, Input, Leaf, LeafKind, NodeId, Operator, Ranks},
    },
    sql::{
        Dialect,
        relational::{Expr, ExprKind, SourceId},
        types::Ty,
        walk,
    },
};

/// Where rows are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a node of a version.
    Node(i64, usize),
    /// In a base table.
    Table(String),
}

/// Rows of which it is told from what they follow, or that others follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where they are.
    pub place: Place,
    /// The SELECT of their keys, which may come more than once.
    pub keys: String,
}

impl Place {
    /// The name of the query of the keys that are sought there. No table has such a name.
    pub fn sought(&self) -> String {
        match self {
            Place::Node(number, node) => format!("_sought{}", stored(*number, *node)),
            Place::Table(name) => quoted(&format!("_sought_of_{name}")),
        }
    }
}

/// The name of a column of keys that are sought.
pub fn part(at: usize) -> String {
    format!("q{at}")
}

impl Version {
    /// The rows from which those rows of a node follow whose keys are in `sought`, as `q0`, `q1`, ..
    pub fn origins(&self, id: NodeId, sought: &str) -> Vec<Origin> {
        let node = self.node(id);
        let key: Vec<&Column> = node.key_columns().collect();
        let sought = Sought { version: self, name: sought };
        match &node.operator {
            Operator::Rows(blocks) => {
                let of_block = |block: &Block| {
                    let parts: Vec<&Expr> = node.key.iter().map(|at| &block.projection[*at]).collect();
                    sought.of_block(block, &parts, &key)
                };
                blocks.iter().take(branches()).flat_map(of_block).collect()
            }
            Operator::Groups(groups) => {
                let blocks = groups.feeds.iter().flat_map(|feed| &feed.blocks);
                let of_block = |block: &Block| {
                    let parts: Vec<&Expr> = block.projection.iter().take(groups.keys.len()).collect();
                    sought.of_block(block, &parts, &groups.keys.iter().collect::<Vec<_>>())
                };
                blocks.take(branches()).flat_map(of_block).collect()
            }
            Operator::Ranks(ranks) => vec![sought.of_ranks(ranks)],
        }
    }

    /// The keys of those rows of the last node for which a condition holds over its columns, as they are called in `source`.
    pub fn sought_by(&self, source: SourceId, condition: &str) -> String {
        let input = Input::Node(self.plan.last());
        keys_of(&self.relation(&input), &self.key(&input), source, condition)
    }

    /// How many columns identify a row of a node.
    pub fn key_width(&self, id: NodeId) -> usize {
        self.node(id).key.len()
    }

    fn place(&self, input: &Input) -> Place {
        match input {
            Input::Node(id) => Place::Node(self.number, id.0),
            Input::Relation(name) => match self.view(name) {
                Some(view) => Place::Node(view.number, view.node),
                None => Place::Table(name.clone()),
            },
        }
    }
}

/// The same for a base table with such a key.
pub fn keys_by(table: &str, key: &[catalog::Column], source: SourceId, condition: &str) -> String {
    let key: Vec<Column> = key.iter().map(|column| Column::named(column, column.ty.into())).collect();
    keys_of(&quoted(table), &key, source, condition)
}

fn keys_of(table: &str, key: &[Column], source: SourceId, condition: &str) -> String {
    format!("SELECT {} FROM {table} AS {source} WHERE {condition}", keys(&source.to_string(), key))
}

/// Some rows of a node.
struct Sought<'v> {
    version: &'v Version,
    name: &'v str,
}

impl Sought<'_> {
    /// `parts` compute of each row of the block the key of a row of the node.
    fn of_block(&self, block: &Block, parts: &[&Expr], key: &[&Column]) -> Vec<Origin> {
        let leaves = block.leaves.iter().filter(|leaf| match leaf.kind {
            LeafKind::Inner => true,
            LeafKind::Left => !Mutant::UnnamedOuter.is_on(),
            LeafKind::Semi => !Mutant::UnnamedPartner.is_on(),
            LeafKind::Anti => false,
        });
        leaves.map(|leaf| self.of_leaf(block, leaf, parts, key)).collect()
    }

    fn of_leaf(&self, block: &Block, leaf: &Leaf, parts: &[&Expr], key: &[&Column]) -> Origin {
        let Joined { from, mut conditions } = self.version.joined(block, Some(leaf.id));
        let pairs = parts.iter().zip(key).enumerate();
        conditions.extend(pairs.map(|(at, (expr, column))| self.is_part(expr, column, at)));
        let keys = format!(
            "SELECT {} FROM {} AS k CROSS JOIN {} WHERE {}",
            keys(&leaf.id.to_string(), &self.version.key(&leaf.input)),
            self.name,
            from.join(" "),
            and(&conditions)
        );
        Origin { place: self.version.place(&leaf.input), keys }
    }

    /// The key of a row is that of its leaf: that row of the leaf tells the partition.
    fn of_ranks(&self, ranks: &Ranks) -> Origin {
        let Ranks { leaf, partition, .. } = ranks;
        let (version, key) = (self.version, self.version.key(&leaf.input));
        let own = SourceId(leaf.id.0 + 1);
        let mut conditions: Vec<String> =
            key.iter().enumerate().map(|(at, column)| self.is_part(&column.of(own), column, at)).collect();
        if Mutant::UnnamedPartition.is_on() {
            let own = key.iter().enumerate();
            conditions.extend(own.map(|(at, column)| self.is_part(&column.of(leaf.id), column, at)));
        }
        conditions.extend(partition.iter().map(|expr| {
            let of_own = renamed(expr, leaf.id, own);
            let column = Column::new("", expr.ty, expr.nullable);
            self.is(expr, &column, &version.dialect.expression(&of_own))
        }));
        conditions.extend(version.filter(ranks));
        let (table, id) = (version.relation(&leaf.input), leaf.id);
        let keys = format!(
            "SELECT {} FROM {} AS k CROSS JOIN {table} AS {own} CROSS JOIN {table} AS {id} WHERE {}",
            keys(&id.to_string(), &key),
            self.name,
            and(&conditions)
        );
        Origin { place: version.place(&leaf.input), keys }
    }

    /// Whether an expression has the value of a part of the keys that are sought. The sign keeps SQLite from looking for these:
    /// they are few, and what they lead to is looked for.
    fn is_part(&self, expr: &Expr, column: &Column, at: usize) -> String {
        let sign = if self.version.dialect == Dialect::Sqlite { "+" } else { "" };
        self.is(expr, column, &format!("{sign}k.{}", part(at)))
    }

    /// The same for any value of that column. NULL is the same as NULL; an index over what can be NULL is one in which it is
    /// an empty blob, or in a list.
    fn is(&self, expr: &Expr, column: &Column, value: &str) -> String {
        let (dialect, ty) = (self.version.dialect, column.ty);
        let nulls = expr.nullable && !Mutant::UnnamedNull.is_on();
        match dialect {
            Dialect::Sqlite if !nulls => format!("{} = {value}", dialect.key_expression(expr)),
            Dialect::Sqlite if ty == Some(Ty::Bytea) => format!("{} IS {value}", dialect.expression(expr)),
            _ => {
                let column = Column { label: String::new(), ty, nullable: nulls };
                let own = match dialect {
                    Dialect::Sqlite => dialect.expression(expr),
                    Dialect::Postgres => dialect.exact(expr, ty),
                };
                format!("{} = {}", dialect.not_null(&own, &column), dialect.not_null(value, &column))
            }
        }
    }
}

fn keys(source: &str, key: &[Column]) -> String {
    list(key.iter().enumerate(), |(at, column)| format!("{} AS {}", of(source, column), part(at)))
}

/// How many blocks of a node rows are sought in.
fn branches() -> usize {
    if Mutant::UnnamedBranch.is_on() { 1 } else { usize::MAX }
}

fn renamed(expr: &Expr, from: SourceId, to: SourceId) -> Expr {
    walk::rewrite(expr, &mut |expr| match &expr.kind {
        ExprKind::Column { source, label } if *source == from => {
            let kind = ExprKind::Column { source: to, label: label.clone() };
            Some(Expr::new(kind, expr.ty, expr.nullable))
        }
        _ => None,
    })
}
