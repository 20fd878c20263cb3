//! Which columns rows are looked up by, so that a store can index them.

use std::collections::BTreeSet;

use super::{
    plan::{Block, Column, Groups, Input, Leaf, LeafKind, Node, Operator, Plan},
    terms::{bound_columns, terms},
};
use crate::sql::relational::{Expr, ExprKind, SortKey, SourceId};

/// Rows of an input are searched for by these columns; by those that can be NULL so that NULL is found by NULL.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Search {
    /// Whose rows.
    pub(super) input: Input,
    /// By which columns.
    pub(super) columns: Vec<Column>,
}

/// What the key of each input begins with, and what else is searched for.
struct Searches<'k> {
    /// Whether what can be NULL is found, as NULL is, by another index than what cannot, also where rows of a group are.
    nulls: bool,
    key: &'k dyn Fn(&Input) -> Vec<Column>,
    found: Vec<Search>,
}

/// Every look-up of a plan that the key of its input does not serve.
pub(super) fn searches(plan: &Plan, nulls: bool, key: &dyn Fn(&Input) -> Vec<Column>) -> Vec<Search> {
    let mut searches = Searches { nulls, key, found: Vec::new() };
    plan.nodes.iter().for_each(|node| searches.of_node(node));
    searches.found
}

impl Searches<'_> {
    fn add(&mut self, input: &Input, columns: Vec<Column>) {
        let Some(first) = columns.first() else { return };
        let served = !first.nullable && self.begins_with(input, &|label| label == first.label);
        let search = Search { input: input.clone(), columns };
        if !served && !self.found.contains(&search) {
            self.found.push(search);
        }
    }

    /// Whether rows are found by the first column of their key. By one that can be NULL they are found as NULL is.
    fn begins_with(&self, input: &Input, is: &dyn Fn(&str) -> bool) -> bool {
        let key = (self.key)(input);
        key.first().is_some_and(|first| !first.nullable && is(&first.label))
    }

    fn of_node(&mut self, node: &Node) {
        match &node.operator {
            Operator::Rows(blocks) => blocks.iter().for_each(|block| self.of_block(block)),
            Operator::Groups(groups) => {
                let blocks = groups.feeds.iter().flat_map(|feed| &feed.blocks);
                blocks.for_each(|block| self.of_block(block));
                self.of_groups(groups);
            }
            Operator::Ranks(ranks) => {
                let columns = ranks.partition.iter().filter_map(|expr| {
                    label(expr, ranks.leaf.id).map(|label| Column::new(label, expr.ty, expr.nullable))
                });
                self.add(&ranks.leaf.input, columns.collect());
            }
        }
    }

    fn of_block(&mut self, block: &Block) {
        let key = |input: &Input| (self.key)(input).into_iter().map(|column| column.label).collect();
        for changed in block.leaves.iter().map(|leaf| &leaf.input) {
            for term in terms(block, &|input| input == changed, &key) {
                let started = term.deltas.first().or(term.flips.first());
                let mut known: BTreeSet<SourceId> = started.copied().into_iter().collect();
                for leaf in term.order.iter().filter_map(|id| block.leaf(*id)) {
                    if !term.deltas.contains(&leaf.id) {
                        self.of_leaf(block, leaf, term.joins_inner(leaf), &known);
                    }
                    known.insert(leaf.id);
                }
            }
        }
        // What partners are looked for in, from everything around.
        for leaf in block.leaves.iter().filter(|leaf| leaf.kind != LeafKind::Inner) {
            let others = block.leaves.iter().map(|leaf| leaf.id).filter(|id| *id != leaf.id).collect();
            self.of_leaf(block, leaf, false, &others);
        }
    }

    fn of_leaf(&mut self, block: &Block, leaf: &Leaf, joins_inner: bool, known: &BTreeSet<SourceId>) {
        let bound = bound_columns(block, leaf, joins_inner, known);
        if !self.begins_with(&leaf.input, &|label| bound.contains_key(label)) {
            let columns = bound.into_iter().map(|(label, ty)| Column::new(label, ty, false));
            self.add(&leaf.input, columns.collect());
        }
    }

    /// The groups of a leaf, and within them the value whose smallest or largest is wanted.
    fn of_groups(&mut self, groups: &Groups) {
        for feed in groups.feeds.iter().filter(|feed| !feed.lookups.is_empty()) {
            let Some(leaf) = feed.blocks.first().and_then(|block| block.leaves.first()) else { continue };
            let projection = feed.blocks.iter().flat_map(|block| &block.projection);
            let column = |expr: &Expr| label(expr, leaf.id).map(|label| Column::new(label, expr.ty, false));
            let keys = projection.zip(&groups.keys).filter_map(|(expr, key)| {
                let nullable = self.nulls && (expr.nullable || key.nullable);
                Some(Column { nullable, ..column(expr)? })
            });
            let keys: Vec<Column> = keys.collect();
            for lookup in &feed.lookups {
                let sorts = lookup.aggregate.order_by.iter().filter_map(|sort| match &sort.by {
                    SortKey::Expr(expr) => Some(expr),
                    SortKey::Field(_) => None,
                });
                let mut columns = keys.clone();
                let value = lookup.aggregate.arguments.first().filter(|_| lookup.is_extreme());
                for column in value.into_iter().chain(sorts).filter_map(column) {
                    if !columns.contains(&column) {
                        columns.push(column);
                    }
                }
                self.add(&leaf.input, columns);
            }
        }
    }
}

fn label(expr: &Expr, of: SourceId) -> Option<String> {
    match &expr.kind {
        ExprKind::Column { source, label } if *source == of => Some(label.clone()),
        _ => None,
    }
}
