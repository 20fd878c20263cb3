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
    relational::{Comparison, Expr, ExprKind, SourceId},
    types::Ty,
};

/// How many terms a block has at most in which these inputs have changed: not more if none of them is empty.
pub fn count(block: &Block, changed: &dyn Fn(&Input) -> bool) -> usize {
    let leaves = block.leaves.iter().filter(|leaf| changed(&leaf.input));
    leaves.map(choices).fold(1_usize, usize::saturating_mul) - 1
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
    /// Outer leaves that have a partner in every row of the term, because what changed is a partner of that: they are
    /// joined like inner ones.
    pub paired: Vec<SourceId>,
    /// In which order inner and outer leaves are joined: each with what is known by then. It begins with a changed one.
    pub order: Vec<SourceId>,
}

impl Term {
    /// The rows of one inner leaf, as if they had just come.
    pub fn of_rows(block: &Block, leaf: SourceId, key: &dyn Fn(&Input) -> Vec<String>) -> Self {
        Self::new(block, vec![leaf], Vec::new(), key)
    }

    fn new(
        block: &Block,
        deltas: Vec<SourceId>,
        flips: Vec<SourceId>,
        key: &dyn Fn(&Input) -> Vec<String>,
    ) -> Self {
        let negative = (deltas.len() + flips.len()).is_multiple_of(2);
        let paired = paired(block, &deltas, &flips);
        let mut term = Self { negative, deltas, flips, paired, order: Vec::new() };
        term.order = order(block, &term, key);
        term
    }

    /// Whether it has no row whatever changes: a column without partner, so NULL, is compared with something.
    fn is_empty(&self, block: &Block) -> bool {
        let is_null = |id: SourceId| {
            self.flips.contains(&id) && block.leaf(id).is_some_and(|leaf| leaf.kind == LeafKind::Left)
        };
        let joined =
            block.leaves.iter().filter(|leaf| self.deltas.contains(&leaf.id) || self.joins_inner(leaf));
        let mut conditions = joined.flat_map(|leaf| &leaf.on).chain(&block.filter);
        conditions.any(|condition| compares(condition, &is_null))
    }

    /// Whether rows of the leaf without partner are none of the term.
    pub fn joins_inner(&self, leaf: &Leaf) -> bool {
        leaf.kind == LeafKind::Inner || self.paired.contains(&leaf.id)
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
        let term = Term::new(block, deltas, flips, key);
        if !term.is_empty(block) {
            terms.push(term);
        }
    }
    terms
}

/// Outer leaves by whose columns changed rows are looked for: NULL is equal to nothing. So it goes on from leaf to leaf.
fn paired(block: &Block, deltas: &[SourceId], flips: &[SourceId]) -> Vec<SourceId> {
    let mut paired: Vec<SourceId> = Vec::new();
    loop {
        let needs = |leaf: &&Leaf| [deltas, flips, &paired].iter().any(|ids| ids.contains(&leaf.id));
        let conditions = || block.leaves.iter().filter(needs).flat_map(|leaf| &leaf.on);
        let next = block.leaves.iter().find(|leaf| {
            leaf.kind == LeafKind::Left
                && !needs(leaf)
                && conditions().flat_map(equality).any(|(side, _)| is_column_of(side, leaf.id))
        });
        match next {
            Some(leaf) => paired.push(leaf.id),
            None => return paired,
        }
    }
}

/// Whether a column of such a leaf is compared with another, or with a constant: what can fail has to be computed.
fn compares(condition: &Expr, of: &dyn Fn(SourceId) -> bool) -> bool {
    let ExprKind::Compare { operator, left, right } = &condition.kind else { return false };
    let is_plain = |expr: &Expr| matches!(expr.kind, ExprKind::Column { .. } | ExprKind::Literal(_));
    let is_of = |expr: &Expr| matches!(expr.kind, ExprKind::Column { source, .. } if of(source));
    !matches!(operator, Comparison::Distinct | Comparison::NotDistinct)
        && is_plain(left)
        && is_plain(right)
        && (is_of(left) || is_of(right))
}

fn is_column_of(expr: &Expr, leaf: SourceId) -> bool {
    matches!(&expr.kind, ExprKind::Column { source, .. } if *source == leaf)
}

/// Changed rows first, then whatever can be looked up best from what is there, outer leaves behind what they name. Of
/// several that changed the others wait until they are bound too: side by side each would meet each.
fn order(block: &Block, term: &Term, key: &dyn Fn(&Input) -> Vec<String>) -> Vec<SourceId> {
    let Term { deltas, flips, .. } = term;
    let joined = |leaf: &&Leaf| {
        leaf.kind == LeafKind::Inner
            || deltas.contains(&leaf.id)
            || (leaf.kind == LeafKind::Left && !flips.contains(&leaf.id))
    };
    let mut open: Vec<&Leaf> = block.leaves.iter().filter(joined).collect();
    let mut order: Vec<SourceId> = deltas.first().copied().into_iter().collect();
    // Without changed rows, the change of what a leaf is a partner of is what is started from.
    let mut known: BTreeSet<SourceId> = deltas.first().or(flips.first()).copied().into_iter().collect();
    open.retain(|leaf| !known.contains(&leaf.id));
    while !open.is_empty() {
        let ready = |leaf: &&&Leaf| {
            term.joins_inner(leaf)
                || leaf.on.iter().flat_map(sources).all(|source| {
                    source == leaf.id || known.contains(&source) || !open.iter().any(|open| open.id == source)
                })
        };
        let score = |leaf: &Leaf| {
            let bound = bound_columns(block, leaf, term.joins_inner(leaf), &known);
            let key = key(&leaf.input);
            let whole = !key.is_empty() && key.iter().all(|column| bound.contains_key(column.as_str()));
            (!bound.is_empty(), deltas.contains(&leaf.id), term.joins_inner(leaf), whole)
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
    joins_inner: bool,
    known: &BTreeSet<SourceId>,
) -> BTreeMap<&'b str, Ty> {
    // The condition of a leaf whose change is started from, or whose changed rows are joined, binds others too.
    let started = block.leaves.iter().filter(|other| joins_inner && known.contains(&other.id));
    let filter = block.filter.iter().filter(|_| joins_inner);
    let conditions = leaf.on.iter().chain(filter).chain(started.flat_map(|other| &other.on));
    let mut bound = BTreeMap::new();
    for (side, other) in conditions.flat_map(equality) {
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
