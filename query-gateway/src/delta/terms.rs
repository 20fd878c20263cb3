//! By which terms a block changes.
//!
//! A block is factors multiplied: the rows of inner leaves, and, for each leaf of which partners are only looked for, a
//! factor that is one or nothing. An outer leaf is the sum of both: its rows, and NULLs where it has none.
//! When some factors F change by D, what they were, F - D, multiplied, is subtracted from what they
//! are, and what remains is, over all non-empty sets S of factors that changed,
//!
//! ```text
//! sum of (-1)^(|S| + 1) * (all D of S multiplied) * (all F of the others multiplied)
//! ```
//!
//! so that tables need to be known only as they are now, and by what changed. One changed leaf makes one term; a table
//! that is joined with itself makes three. (The delta rules of Gupta, Mumick, Subrahmanian, "Maintaining views
//! incrementally", 1993, in the form that needs no old state.)

use std::collections::{BTreeMap, BTreeSet};

use super::{
    compile::equality,
    mutant::Mutant,
    plan::{Block, Input, Leaf, LeafKind, sources},
};
use crate::sql::{
    relational::{Expr, ExprKind, SourceId},
    types::Ty,
};

/// How many terms a block has at least in which these inputs have changed.
pub fn count(block: &Block, changed: &dyn Fn(&Input) -> bool) -> usize {
    let leaves = block.leaves.iter().filter(|leaf| changed(&leaf.input));
    leaves.map(choices).fold(1, usize::saturating_mul) - 1
}

/// Each changed leaf is as it is now, is its changed rows, or is its change between none and some.
fn choices(leaf: &Leaf) -> usize {
    match leaf.kind {
        LeafKind::Inner | LeafKind::Semi | LeafKind::Anti => 2,
        LeafKind::Left => 3,
    }
}

/// One term. Leaves that are in neither list are as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Whether it is subtracted.
    pub negative: bool,
    /// Leaves whose changed rows are joined, each with its weight.
    pub deltas: Vec<SourceId>,
    /// Leaves of which it matters that there was no partner and now is, or the reverse. Columns of those that are outer
    /// leaves are NULL.
    pub flips: Vec<SourceId>,
    /// In which order inner and outer leaves are joined: each with what is known by then. It begins with a changed one.
    pub order: Vec<SourceId>,
}

impl Term {
    /// The rows of one inner leaf, as if they had just come.
    pub fn of_rows(block: &Block, leaf: SourceId, key: &dyn Fn(&Input) -> Vec<String>) -> Self {
        let order = order(block, &[leaf], &[], key);
        Self { negative: false, deltas: vec![leaf], flips: Vec::new(), order }
    }
}

/// The terms of a block in which the inputs that `changed` names have changed.
pub fn terms(
    block: &Block,
    changed: &dyn Fn(&Input) -> bool,
    key: &dyn Fn(&Input) -> Vec<String>,
) -> Vec<Term> {
    let leaves: Vec<&Leaf> = block.leaves.iter().filter(|leaf| changed(&leaf.input)).collect();
    let mut terms = Vec::new();
    let total: usize = leaves.iter().map(|leaf| choices(leaf)).fold(1, usize::saturating_mul);
    for mut number in 1..total {
        let (mut deltas, mut flips) = (Vec::new(), Vec::new());
        for leaf in &leaves {
            let choice = number % choices(leaf);
            number /= choices(leaf);
            match (choice, leaf.kind) {
                (0, _) => {}
                (1, LeafKind::Inner | LeafKind::Left) => deltas.push(leaf.id),
                _ => flips.push(leaf.id),
            }
        }
        let many = deltas.len() + flips.len() > 1;
        if many && Mutant::LostSelfJoinTerm.is_on() || !flips.is_empty() && Mutant::LostFlip.is_on() {
            continue;
        }
        let negative = (deltas.len() + flips.len()).is_multiple_of(2);
        let order = order(block, &deltas, &flips, key);
        terms.push(Term { negative, deltas, flips, order });
    }
    terms
}

/// Changed rows first, then whatever can be looked up best from what is there, outer leaves behind what they name.
fn order(
    block: &Block,
    deltas: &[SourceId],
    flips: &[SourceId],
    key: &dyn Fn(&Input) -> Vec<String>,
) -> Vec<SourceId> {
    let joined = |leaf: &&Leaf| {
        leaf.kind == LeafKind::Inner
            || deltas.contains(&leaf.id)
            || (leaf.kind == LeafKind::Left && !flips.contains(&leaf.id))
    };
    let mut open: Vec<&Leaf> = block.leaves.iter().filter(joined).collect();
    let mut order: Vec<SourceId> = deltas.to_vec();
    // Without changed rows, the change of what a leaf is a partner of is what is started from.
    let mut known: BTreeSet<SourceId> = deltas.iter().copied().collect();
    if deltas.is_empty() {
        known.extend(flips.first());
    }
    open.retain(|leaf| !deltas.contains(&leaf.id));
    while !open.is_empty() {
        let ready = |leaf: &&&Leaf| {
            leaf.kind == LeafKind::Inner
                || leaf.on.iter().flat_map(sources).all(|source| {
                    source == leaf.id || known.contains(&source) || !open.iter().any(|open| open.id == source)
                })
        };
        let score = |leaf: &Leaf| {
            let bound = bound_columns(block, leaf, &known);
            let key = key(&leaf.input);
            let whole = !key.is_empty() && key.iter().all(|column| bound.contains_key(column.as_str()));
            (leaf.kind == LeafKind::Inner, whole, !bound.is_empty())
        };
        let mut best: Option<&Leaf> = None;
        for leaf in open.iter().filter(ready) {
            if best.is_none_or(|best| score(leaf) > score(best)) {
                best = Some(leaf);
            }
        }
        // Outer leaves name only what stands in front of them, so that one is always ready.
        let Some(best) = best.or_else(|| open.first().copied()) else { break };
        let id = best.id;
        order.push(id);
        known.insert(id);
        open.retain(|leaf| leaf.id != id);
    }
    order
}

/// Columns of a leaf that are equal to something that is known, with their types.
pub fn bound_columns<'b>(
    block: &'b Block,
    leaf: &'b Leaf,
    known: &BTreeSet<SourceId>,
) -> BTreeMap<&'b str, Ty> {
    let conditions: Vec<&Expr> = match leaf.kind {
        LeafKind::Inner => {
            // The condition of a leaf whose change is started from, or whose changed rows are joined, binds others too.
            let started = block.leaves.iter().filter(|other| known.contains(&other.id));
            block.filter.iter().chain(started.flat_map(|other| &other.on)).collect()
        }
        _ => leaf.on.iter().collect(),
    };
    let mut bound = BTreeMap::new();
    for (side, other) in conditions.into_iter().flat_map(equality) {
        if let ExprKind::Column { source, label } = &side.kind
            && *source == leaf.id
            && !sources(other).contains(&leaf.id)
            && sources(other).iter().all(|source| known.contains(source))
        {
            bound.insert(label.as_str(), side.ty);
        }
    }
    bound
}
