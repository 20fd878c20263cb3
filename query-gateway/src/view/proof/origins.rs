//! What rows follow from, over drawn tables, views and histories.
//!
//! - *Enough*: with all rows of base tables gone that are not named, the rows that were asked about are what they were.
//!   That is a promise where a row that goes can only take rows with it. Where it can also bring some (the NULLs of an outer
//!   join, NOT EXISTS), it holds as long as those are of what no further step can see; else there is no right answer.
//! - *Not too much*: where every row counts, with any one of those that are named gone, the rows are not what they were.

mod reduced;

use tributary_chassis::fault::Reason;

use self::reduced::Reduced;
use super::{
    answer::without,
    case::Case,
    subject::{OF_VALUES, Setting, Subject},
};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Input, Leaf, LeafKind, Node, NodeId, Operator},
        statements::Version,
    },
    lineage::{self, Graph, Root},
    query::cell::Cell,
    schema::fixture::rounds,
    store::tests::place::Engine,
};

/// Rows of a view that are asked about, and rows that are taken away one by one.
const ROWS: usize = 3;

/// What was found to hold, each so many times.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Rows that stay just as they are.
    same: usize,
    /// Rows that stay, and others may have come.
    stay: usize,
    /// Rows of which neither is promised.
    open: usize,
    /// Of those, the ones that stay all the same.
    stay_open: usize,
    /// Rows without which something is missing.
    needed: usize,
    /// Views, and rows of some, that cannot be explained.
    refused: usize,
}

/// What is promised of the rows of a relation when rows are taken away that are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Same,
    Stay,
    Nothing,
}

#[tokio::test]
async fn rows_follow_from_what_is_named_and_from_nothing_else() {
    let mut held = Held::default();
    for seed in rounds(60) {
        if let Err(why) = check(seed, None, &mut held).await {
            panic!("SEED={seed}: {why}");
        }
    }
    println!("{held:?}");
    let Held { same, stay, open, stay_open, needed, refused } = held;
    assert!(same > 0 && stay > 0 && needed > 0, "{held:?}");
    assert!(3 * (same + stay) > open && 20 * stay_open >= 19 * open, "{held:?}");
    assert!(10 * refused < same + stay + open, "{held:?}");
}

#[tokio::test]
async fn a_row_that_is_not_named_or_named_wrongly_is_found() {
    for mutant in Mutant::OF_ORIGINS {
        let mut found = None;
        for seed in 1..500 {
            if let Err(why) = check(seed, Some(mutant), &mut Held::default()).await {
                found = Some((seed, why));
                break;
            }
        }
        let Some((seed, why)) = found else { panic!("{mutant:?} was not found") };
        println!("{mutant:?}: SEED={seed}: {why}");
    }
}

/// Runs a case to its end and explains rows of every view. The mutant is one of explaining alone.
async fn check(seed: u64, mutant: Option<Mutant>, held: &mut Held) -> Result<(), String> {
    let mut script = Case::draw(seed).script();
    if seed.is_multiple_of(3) {
        // Most views are kept: here none is.
        script.views.iter_mut().for_each(|view| view.materialized = false);
    }
    let mut subject = Subject::begin(&script, Setting::of(Engine::Sqlite)).await;
    subject.create(&script.views).await;
    for batch in &script.batches {
        subject.apply(batch).await;
    }
    let catalog = subject.catalog();
    let mut reduced = Reduced::of(subject.copy(), &catalog, &script.views).await;
    for view in script.views.iter().filter(|view| catalog.get(&view.name).is_some()) {
        let Ok(graph) = subject.graph(&view.name).await else {
            held.refused += 1;
            continue;
        };
        let (rows, promise) = (reduced.some(&view.name, ROWS).await, promise(&graph));
        for row in rows {
            Mutant::switch(mutant);
            let checked = row_of(&mut reduced, &graph, &row, promise, held).await;
            Mutant::switch(None);
            checked.map_err(|why| format!("{} AS {}\n{row:?}: {why}", view.name, view.select))?;
        }
    }
    Ok(())
}

async fn row_of(
    reduced: &mut Reduced,
    graph: &Graph,
    row: &[Cell],
    promise: Promise,
    held: &mut Held,
) -> Result<(), String> {
    let key = reduced.key(graph.name(), row);
    // What raises for other rows than these has no answer to compare with.
    let Ok(before) = reduced.rows(graph.name(), &key).await else { return Ok(()) };
    let trace = match lineage::trace(graph, &key) {
        Ok(trace) => trace,
        Err(fault) if fault.reason() == Reason::Unimplemented => {
            held.refused += 1;
            return Ok(());
        }
        Err(fault) => return Err(fault.to_string()),
    };
    let named = match reduced.name(&trace).await {
        // Which rows come to be computed is not said: what one of them raises is raised here or there.
        Err(why) if OF_VALUES.iter().any(|value| why.contains(value)) => return Ok(()),
        named => named?,
    };
    let Ok(after) = reduced.without_others(&named, graph.name(), &key).await else { return Ok(()) };
    let told = || format!("{promise:?} of\n{before}from {named:?} it is\n{after}");
    let stay = without(&before, &after).len() == 0;
    match promise {
        Promise::Same if before != after => return Err(told()),
        Promise::Same => held.same += 1,
        Promise::Stay if !stay => return Err(told()),
        Promise::Stay => held.stay += 1,
        Promise::Nothing => {
            held.open += 1;
            held.stay_open += usize::from(stay);
        }
    }
    if !every_row_counts(graph) {
        return Ok(());
    }
    for (table, at) in
        named.iter().flat_map(|(table, count)| (0..(*count).min(ROWS)).map(move |at| (table, at)))
    {
        let Ok(after) = reduced.without_one(table, at, graph.name(), &key).await else { continue };
        if before == after {
            return Err(format!("row {at} of what is named of {table} is not needed for\n{before}"));
        }
        held.needed += 1;
    }
    Ok(())
}

fn promise(graph: &Graph) -> Promise {
    match (&graph.root, graph.versions.last()) {
        (Root::View(_), Some(version)) => promise_of(graph, (version, version.plan.last())),
        _ => Promise::Same,
    }
}

/// A node of a version.
type At<'g> = (&'g Version, NodeId);

fn node((version, id): At<'_>) -> &Node {
    &version.plan.nodes[id.0]
}

/// The node that a leaf reads; none if it is a base table.
fn read<'g>(graph: &'g Graph, (version, _): At<'g>, leaf: &Leaf) -> Option<At<'g>> {
    match &leaf.input {
        Input::Node(id) => Some((version, *id)),
        Input::Relation(name) => {
            let (_, read) = version.views.iter().find(|(view, _)| view == name)?;
            let version = graph.versions.iter().find(|version| version.number == read.number);
            Some((version.unwrap(), NodeId(read.node)))
        }
    }
}

fn is_joined(leaf: &Leaf) -> bool {
    matches!(leaf.kind, LeafKind::Inner | LeafKind::Semi)
}

/// What is promised of rows of a node.
fn promise_of(graph: &Graph, at: At<'_>) -> Promise {
    let leaves = node(at).leaves();
    let loses = |leaf: &Leaf| read(graph, at, leaf).is_none_or(|at| only_loses(graph, at));
    let stays = |leaf: &Leaf| {
        is_joined(leaf) && read(graph, at, leaf).is_none_or(|at| promise_of(graph, at) != Promise::Nothing)
    };
    if leaves.iter().all(|leaf| is_joined(leaf) && loses(leaf)) {
        return Promise::Same;
    }
    let is_rows = matches!(node(at).operator, Operator::Rows(_));
    let all_stay = leaves.iter().all(|leaf| loses(leaf) || stays(leaf));
    if is_rows && all_stay { Promise::Stay } else { Promise::Nothing }
}

/// Whether rows of a node only ever go when rows of base tables go.
fn only_loses(graph: &Graph, at: At<'_>) -> bool {
    let leaf_loses =
        |leaf: &&Leaf| is_joined(leaf) && read(graph, at, leaf).is_none_or(|at| only_loses(graph, at));
    node(at).leaves().iter().all(leaf_loses)
        && match &node(at).operator {
            Operator::Rows(_) => true,
            Operator::Groups(groups) => {
                let mut feeds = groups.feeds.iter();
                let keys_alone = feeds.all(|feed| feed.sums.is_empty() && feed.lookups.is_empty());
                !groups.whole && groups.having.is_empty() && keys_alone
            }
            Operator::Ranks(_) => false,
        }
}

/// Whether all is joins of tables: each row that takes part makes a row of its own.
fn every_row_counts(graph: &Graph) -> bool {
    let nodes = graph.versions.iter().flat_map(|version| &version.plan.nodes);
    let is_joined = |node: &Node| {
        matches!(node.operator, Operator::Rows(_))
            && node.leaves().iter().all(|leaf| leaf.kind == LeafKind::Inner)
    };
    nodes.into_iter().all(is_joined)
}
