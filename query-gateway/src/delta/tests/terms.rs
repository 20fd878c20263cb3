//! The algebra alone: over random relations and blocks, what is there after a change less what was there before is the
//! sum of the terms. The reference evaluates leaf by leaf, from the definitions, and knows no SQL.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::{
    delta::{
        plan::{Block, Input, Leaf, LeafKind},
        terms::{self, Term},
    },
    schema::fixture::rounds,
    sql::{
        relational::{Comparison, Expr, ExprKind, Literal, SourceId},
        types::Ty,
    },
};

/// Rows of two columns, each with how often it is there.
type Bag = BTreeMap<[i64; 2], i64>;

/// By name.
type Relations = BTreeMap<String, Bag>;

/// What is projected; NULL is none. Nothing is there no times.
type Rows = BTreeMap<Vec<Option<i64>>, i64>;

/// The rows of leaves that are joined so far; without partner is none.
type Bindings = BTreeMap<SourceId, Option<[i64; 2]>>;

const RELATIONS: [&str; 3] = ["r0", "r1", "r2"];
const COLUMNS: [&str; 2] = ["a", "b"];

/// Which relations there are, and what changed in them.
struct World {
    after: Relations,
    /// Of those that changed.
    change: Relations,
}

impl World {
    fn draw(random: &mut StdRng) -> Self {
        let bag = |random: &mut StdRng, low: i64| -> Bag {
            let count = random.random_range(0..5);
            let row = |random: &mut StdRng| [random.random_range(0..3), random.random_range(0..3)];
            (0..count).map(|_| (row(random), random.random_range(low..3))).filter(|(_, n)| *n != 0).collect()
        };
        let mut world = Self { after: Relations::new(), change: Relations::new() };
        for name in RELATIONS {
            let before = bag(random, 1);
            let mut after = before.clone();
            if random.random_range(0..4) > 0 {
                let mut change = bag(random, -2);
                // No more goes than is there.
                change.iter_mut().for_each(|(row, n)| *n = (*n).max(-before.get(row).unwrap_or(&0)));
                change.retain(|_, n| *n != 0);
                change.iter().for_each(|(row, n)| *after.entry(*row).or_default() += n);
                after.retain(|_, n| *n != 0);
                world.change.insert(name.to_owned(), change);
            }
            world.after.insert(name.to_owned(), after);
        }
        world
    }

    fn has_changed(&self, input: &Input) -> bool {
        matches!(input, Input::Relation(name) if self.change.contains_key(name))
    }

    fn before(&self) -> Relations {
        let mut before = self.after.clone();
        for (name, change) in &self.change {
            let bag = before.get_mut(name).unwrap();
            change.iter().for_each(|(row, n)| *bag.entry(*row).or_default() -= n);
        }
        before
    }
}

/// Evaluates a block: all of it, or one of its terms.
struct Evaluation<'e> {
    block: &'e Block,
    relations: &'e Relations,
    /// The term, and what there was before it and what changed.
    term: Option<(&'e Term, &'e Relations, &'e Relations)>,
}

impl Evaluation<'_> {
    fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        let negative = self.term.is_some_and(|(term, ..)| term.negative);
        let is_sought = |leaf: &&Leaf| matches!(leaf.kind, LeafKind::Semi | LeafKind::Anti);
        let (sought, joined): (Vec<&Leaf>, Vec<&Leaf>) = self.block.leaves.iter().partition(is_sought);
        self.join(&joined, &sought, &Bindings::new(), if negative { -1 } else { 1 }, &mut rows);
        rows.retain(|_, n| *n != 0);
        rows
    }

    fn join(&self, joined: &[&Leaf], sought: &[&Leaf], bindings: &Bindings, weight: i64, rows: &mut Rows) {
        let Some((leaf, others)) = joined.split_first() else {
            let weight = sought.iter().fold(weight, |weight, leaf| weight * self.factor(leaf, bindings));
            if self.block.filter.iter().all(|filter| holds(filter, bindings)) {
                let row = self.block.projection.iter().map(|expr| value(expr, bindings)).collect();
                *rows.entry(row).or_default() += weight;
            }
            return;
        };
        let with = |row: Option<[i64; 2]>| {
            bindings.iter().map(|(id, row)| (*id, *row)).chain([(leaf.id, row)]).collect::<Bindings>()
        };
        let source = match self.term {
            Some((term, _, change)) if term.deltas.contains(&leaf.id) => Some(of(change, leaf)),
            Some((term, ..)) if term.flips.contains(&leaf.id) => None,
            _ => Some(of(self.relations, leaf)),
        };
        for (row, n) in source.into_iter().flatten() {
            let bindings = with(Some(*row));
            if leaf.on.iter().all(|on| holds(on, &bindings)) {
                self.join(others, sought, &bindings, weight * n, rows);
            }
        }
        let has_partner =
            |(term, ..): (&Term, _, _)| term.deltas.contains(&leaf.id) || term.paired.contains(&leaf.id);
        if leaf.kind == LeafKind::Left && !self.term.is_some_and(has_partner) {
            let without = self.factor(leaf, bindings);
            self.join(others, sought, &with(None), weight * without, rows);
        }
    }

    /// Of a leaf of which partners are only looked for, or of an outer leaf without any: one or nothing, or how that changed.
    fn factor(&self, leaf: &Leaf, bindings: &Bindings) -> i64 {
        let counts = |relations: &Relations| {
            let partners: i64 = of(relations, leaf)
                .iter()
                .filter(|(row, _)| {
                    let mut bindings = bindings.clone();
                    bindings.insert(leaf.id, Some(**row));
                    leaf.on.iter().all(|on| holds(on, &bindings))
                })
                .map(|(_, n)| n)
                .sum();
            i64::from(if leaf.kind == LeafKind::Semi { partners > 0 } else { partners == 0 })
        };
        match self.term {
            Some((term, before, _)) if term.flips.contains(&leaf.id) => {
                counts(self.relations) - counts(before)
            }
            _ => counts(self.relations),
        }
    }
}

fn of<'r>(relations: &'r Relations, leaf: &Leaf) -> &'r Bag {
    let Input::Relation(name) = &leaf.input else { panic!("{leaf:?}") };
    &relations[name]
}

fn value(expr: &Expr, bindings: &Bindings) -> Option<i64> {
    match &expr.kind {
        ExprKind::Column { source, label } => {
            let at = COLUMNS.iter().position(|column| column == label).unwrap();
            bindings[source].map(|row| row[at])
        }
        ExprKind::Literal(Literal::Integer(value)) => Some(*value),
        other => panic!("{other:?}"),
    }
}

fn holds(condition: &Expr, bindings: &Bindings) -> bool {
    match &condition.kind {
        ExprKind::IsNull { operand, negated } => value(operand, bindings).is_none() != *negated,
        ExprKind::Compare { operator, left, right } => {
            let sides = value(left, bindings).zip(value(right, bindings));
            sides.is_some_and(|(left, right)| match operator {
                Comparison::Equal => left == right,
                Comparison::Less => left < right,
                other => panic!("{other:?}"),
            })
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn column(leaf: usize, column: usize) -> Expr {
    let kind = ExprKind::Column { source: SourceId(leaf), label: COLUMNS[column].to_owned() };
    Expr::new(kind, Ty::Bigint, true)
}

pub(super) fn compare(operator: Comparison, left: Expr, right: Expr) -> Expr {
    let (left, right) = (Box::new(left), Box::new(right));
    Expr::new(ExprKind::Compare { operator, left, right }, Ty::Bool, true)
}

/// A block of leaves of every kind over few relations, most of them connected with one in front.
pub(super) fn block(random: &mut StdRng) -> Block {
    let mut block = Block { leaves: Vec::new(), filter: Vec::new(), projection: Vec::new() };
    let mut joined: Vec<usize> = Vec::new();
    for at in 0..random.random_range(1..5) {
        let kinds = [LeafKind::Inner, LeafKind::Inner, LeafKind::Left, LeafKind::Semi, LeafKind::Anti];
        let kind = if at == 0 { LeafKind::Inner } else { kinds[random.random_range(0..kinds.len())] };
        let input = Input::Relation(RELATIONS[random.random_range(0..RELATIONS.len())].to_owned());
        let mut conditions = Vec::new();
        if !joined.is_empty() && random.random_range(0..8) > 0 {
            let other = column(joined[random.random_range(0..joined.len())], random.random_range(0..2));
            let own = column(at, random.random_range(0..2));
            let operator = if random.random_range(0..4) > 0 { Comparison::Equal } else { Comparison::Less };
            conditions.push(compare(operator, own, other));
        }
        if random.random_range(0..4) == 0 {
            let one = Expr::new(ExprKind::Literal(Literal::Integer(1)), Ty::Bigint, false);
            conditions.push(compare(Comparison::Equal, column(at, 1), one));
        }
        let (filter, on) =
            if kind == LeafKind::Inner { (conditions, Vec::new()) } else { (Vec::new(), conditions) };
        block.filter.extend(filter);
        if kind == LeafKind::Left && random.random_range(0..3) == 0 {
            let operand = Box::new(column(at, 0));
            let kind = ExprKind::IsNull { operand, negated: random.random() };
            block.filter.push(Expr::new(kind, Ty::Bool, false));
        }
        if matches!(kind, LeafKind::Inner | LeafKind::Left) {
            joined.push(at);
        }
        block.leaves.push(Leaf { id: SourceId(at), input, kind, on });
    }
    block.projection = joined.iter().map(|at| column(*at, 0)).collect();
    block
}

pub(super) fn no_key(_: &Input) -> Vec<String> {
    Vec::new()
}

/// What the terms of a block add up to, and what they should.
fn both(world: &World, block: &Block, terms: &[Term]) -> (Rows, Rows) {
    let before = world.before();
    let all = |relations| Evaluation { block, relations, term: None }.rows();
    let mut difference = all(&world.after);
    all(&before).into_iter().for_each(|(row, n)| *difference.entry(row).or_default() -= n);
    difference.retain(|_, n| *n != 0);
    let mut sum = Rows::new();
    for term in terms {
        let term = Some((term, &before, &world.change));
        let rows = Evaluation { block, relations: &world.after, term }.rows();
        rows.into_iter().for_each(|(row, n)| *sum.entry(row).or_default() += n);
    }
    sum.retain(|_, n| *n != 0);
    (sum, difference)
}

#[test]
fn the_terms_are_what_changed() {
    let mut changed = 0;
    for seed in rounds(2_000) {
        let mut random = StdRng::seed_from_u64(seed);
        let (world, block) = (World::draw(&mut random), block(&mut random));
        let has_changed = |input: &Input| world.has_changed(input);
        let terms = terms::terms(&block, &has_changed, &no_key);
        assert!(terms.len() <= terms::count(&block, &has_changed), "SEED={seed}");
        let (sum, difference) = both(&world, &block, &terms);
        assert_eq!(sum, difference, "SEED={seed}\n{block:?}\n{:?}\n{:?}", world.after, world.change);
        changed += usize::from(!difference.is_empty());
    }
    assert!(changed > 0, "nothing changed in any block");
}

/// Otherwise the test above could not fail.
#[test]
fn no_term_can_be_left_out() {
    let mut missed: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for seed in 1..1_000 {
        let mut random = StdRng::seed_from_u64(seed);
        let (world, block) = (World::draw(&mut random), block(&mut random));
        let terms = terms::terms(&block, &|input| world.has_changed(input), &no_key);
        for left_out in 0..terms.len() {
            let mut fewer = terms.clone();
            let term = fewer.remove(left_out);
            let (sum, difference) = both(&world, &block, &fewer);
            *missed.entry((term.deltas.len(), term.flips.len())).or_default() +=
                usize::from(sum != difference);
        }
    }
    for kind in [(1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (1, 1), (2, 1), (1, 2)] {
        assert!(missed.get(&kind).is_some_and(|missed| *missed > 0), "{kind:?}: {missed:?}");
    }
}

#[test]
fn one_changed_leaf_makes_one_term_and_a_self_join_three() {
    let leaf = |id: usize, kind| Leaf {
        id: SourceId(id),
        input: Input::Relation("r0".to_owned()),
        kind,
        on: Vec::new(),
    };
    let count = |kinds: &[LeafKind]| {
        let leaves = kinds.iter().enumerate().map(|(id, kind)| leaf(id, *kind)).collect();
        terms::count(&Block { leaves, filter: Vec::new(), projection: Vec::new() }, &|_| true)
    };
    use LeafKind::{Anti, Inner, Left, Semi};
    assert_eq!([count(&[Inner]), count(&[Inner, Inner]), count(&[Inner, Inner, Inner])], [1, 3, 7]);
    assert_eq!([count(&[Inner, Semi]), count(&[Inner, Anti]), count(&[Inner, Left])], [3, 3, 5]);
}
