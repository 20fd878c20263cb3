//! In which order the leaves of a term are joined: what changed first, then what that leads to.

use std::collections::BTreeSet;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    library::{last, plan},
    terms::{block, column, compare, no_key},
};
use crate::{
    delta::{
        plan::{Block, Input, Leaf, LeafKind, Operator, sources},
        terms::{Term, bound_columns, terms},
    },
    schema::fixture::rounds,
    sql::relational::{Comparison, SourceId},
};

/// Leaves of a term that are joined without anything in front of them that leads to their rows.
fn unbound<'t>(block: &Block, term: &'t Term) -> Vec<&'t SourceId> {
    let mut known: BTreeSet<SourceId> = term.deltas.iter().copied().collect();
    if term.deltas.is_empty() {
        known.extend(term.flips.first());
    }
    let is_unbound = |id: &&SourceId| {
        let leaf = block.leaf(**id).unwrap();
        let inner = term.joins_inner(leaf);
        let mut leads = known.clone();
        if !inner {
            // Whoever looks for the partners of what has none finds none, by NULL.
            leads.extend(&term.flips);
        }
        let unbound = !known.contains(id) && bound_columns(block, leaf, inner, &leads).is_empty();
        known.insert(**id);
        unbound
    };
    term.order.iter().filter(is_unbound).collect()
}

/// Whether it is empty: partners are looked for by the columns of a leaf that has none itself.
fn is_vacuous(block: &Block, term: &Term) -> bool {
    let Term { deltas, flips, paired, .. } = term;
    let needs = |leaf: &&Leaf| [deltas, flips, paired].iter().any(|ids| ids.contains(&leaf.id));
    let mut looked_up = block.leaves.iter().filter(needs);
    looked_up.any(|leaf| leaf.on.iter().flat_map(sources).any(|id| id != leaf.id && flips.contains(&id)))
}

/// Leaves that are all connected by equalities: each with one in front of it.
fn connected(random: &mut StdRng) -> Block {
    let mut block = Block { leaves: Vec::new(), filter: Vec::new(), projection: Vec::new() };
    for at in 0..random.random_range(2..6_usize) {
        let kind = if at > 0 && random.random_range(0..3) == 0 { LeafKind::Left } else { LeafKind::Inner };
        let mut on = Vec::new();
        if at > 0 {
            // An inner leaf behind an outer one is connected with what is there in any case.
            let inner: Vec<usize> = (0..at)
                .filter(|at| kind == LeafKind::Left || block.leaves[*at].kind == LeafKind::Inner)
                .collect();
            let other = inner[random.random_range(0..inner.len())];
            let equal = compare(
                Comparison::Equal,
                column(at, random.random_range(0..2)),
                column(other, random.random_range(0..2)),
            );
            if kind == LeafKind::Left { on.push(equal) } else { block.filter.push(equal) }
        }
        let input = Input::Relation(format!("r{}", random.random_range(0..3)));
        block.leaves.push(Leaf { id: SourceId(at), input, kind, on });
    }
    block
}

#[test]
fn nothing_is_joined_that_nothing_leads_to() {
    for seed in rounds(500) {
        let mut random = StdRng::seed_from_u64(seed);
        let block = connected(&mut random);
        for changed in 0..3 {
            let changed = Input::Relation(format!("r{changed}"));
            for term in terms(&block, &|input| *input == changed, &no_key) {
                let unbound = unbound(&block, &term);
                assert!(unbound.is_empty() || is_vacuous(&block, &term), "SEED={seed}\n{block:?}\n{term:?}");
            }
        }
    }
}

#[test]
fn outer_leaves_stand_behind_what_they_name() {
    for seed in rounds(500) {
        let block = block(&mut StdRng::seed_from_u64(seed));
        for term in terms(&block, &|_| true, &no_key) {
            let joined = |id: &SourceId| term.order.iter().position(|joined| joined == id);
            for leaf in block.leaves.iter().filter(|leaf| leaf.kind == LeafKind::Left) {
                let free = term.deltas.contains(&leaf.id) || term.joins_inner(leaf);
                let Some(at) = joined(&leaf.id).filter(|_| !free) else { continue };
                for named in leaf.on.iter().flat_map(sources) {
                    let before = joined(&named).is_none_or(|named| named <= at);
                    assert!(before, "SEED={seed}\n{block:?}\n{term:?}");
                }
            }
        }
    }
}

/// The inputs in the order in which they are joined when rows of `table` changed.
fn joined_by(select: &str, table: &str) -> Vec<String> {
    let plan = plan(select);
    let Operator::Rows(blocks) = &last(&plan).operator else { panic!("{plan:?}") };
    let key = |input: &Input| match input {
        Input::Relation(name) if name == "books" => vec!["book_id".to_owned()],
        Input::Relation(name) if name == "readers" => vec!["reader_id".to_owned()],
        Input::Relation(name) if name == "loans" => vec!["branch".to_owned(), "number".to_owned()],
        _ => Vec::new(),
    };
    let terms = terms(&blocks[0], &|input| *input == Input::Relation(table.to_owned()), &key);
    let name = |id: &SourceId| match &blocks[0].leaf(*id).unwrap().input {
        Input::Relation(name) => name.clone(),
        Input::Node(node) => format!("#{}", node.0),
    };
    terms[0].order.iter().map(name).collect()
}

#[test]
fn what_changed_comes_first_and_whole_keys_before_parts() {
    let select = "SELECT b.title, r.name, l.days FROM books b JOIN loans l ON l.book_id = b.book_id \
                  JOIN readers r ON r.reader_id = l.reader_id";
    assert_eq!(joined_by(select, "books"), ["books", "loans", "readers"]);
    assert_eq!(joined_by(select, "readers"), ["readers", "loans", "books"]);
    assert_eq!(joined_by(select, "loans"), ["loans", "books", "readers"]);
    // Of two that can be looked up, the one by its whole key.
    let select = "SELECT l.days FROM covers c JOIN loans l ON l.number = c.height \
                  JOIN books b ON b.book_id = c.book_id WHERE l.days > b.pages";
    assert_eq!(joined_by(select, "covers"), ["covers", "books", "loans"]);
}

#[test]
fn a_chain_of_outer_joins_is_followed_from_its_end() {
    let select = "SELECT l.days, b.title, c.height FROM loans l LEFT JOIN books b ON b.book_id = l.book_id \
                  LEFT JOIN covers c ON c.book_id = b.book_id";
    assert_eq!(joined_by(select, "covers"), ["covers", "books", "loans"]);
    assert_eq!(joined_by(select, "loans"), ["loans", "books", "covers"]);
}
