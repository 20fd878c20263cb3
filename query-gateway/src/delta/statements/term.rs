//! A term as a SELECT: changes, then what they are joined with, then how often each row comes or goes.

use std::collections::BTreeSet;

use super::{
    Version, WEIGHT, and,
    dialect::{Probe, names},
    list,
};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Block, Column, Leaf, LeafKind, sources},
        terms::Term,
    },
    sql::{
        Dialect,
        relational::{Expr, ExprKind, SourceId},
        text::quoted,
        types::Ty,
        walk,
    },
};

/// The weight of a row of a term; what is projected is `p0`, `p1`, ...
pub(super) const TERM_WEIGHT: &str = "w";

/// While a block is filled, one of its leaves stands for those of its rows that were filled from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling<'f> {
    /// Which leaf.
    pub(super) leaf: SourceId,
    /// The key of the last row that was filled from.
    pub(super) frontier: &'f str,
    /// What takes the place of the leaf's changes: a chunk of its rows.
    pub(super) chunk: Option<&'f str>,
    /// Rows behind the frontier take part with no weight, so that their groups are looked up again.
    pub(super) weightless: bool,
}

/// Writes terms of one block.
pub(super) struct Terms<'t> {
    pub(super) version: &'t Version,
    pub(super) block: &'t Block,
    /// What the first of what is projected is kept as.
    columns: &'t [Column],
    filling: Option<Filling<'t>>,
}

/// A condition on rows of a term, and whose columns it names.
pub(super) struct Condition {
    pub(super) text: String,
    pub(super) sources: BTreeSet<SourceId>,
}

/// A term on the way to be written down.
#[derive(Default)]
pub(super) struct Written {
    /// Behind FROM.
    from: String,
    /// Those whose rows are in `from`.
    known: BTreeSet<SourceId>,
    /// Conditions that no part of `from` has taken in.
    pub(super) conditions: Vec<Condition>,
    /// What is multiplied.
    pub(super) weights: Vec<String>,
}

impl Written {
    /// Joins rows that are computed once.
    fn join(&mut self, source: &str, id: SourceId) {
        self.from += &if self.from.is_empty() { source.to_owned() } else { format!(" CROSS JOIN {source}") };
        self.known.insert(id);
    }

    /// The conditions that can be told once rows of `id` are joined, taken out of the others.
    fn ready(&mut self, id: SourceId) -> Vec<String> {
        self.known.insert(id);
        let known = &self.known;
        let (ready, open) =
            self.conditions.drain(..).partition(|condition: &Condition| condition.sources.is_subset(known));
        self.conditions = open;
        ready.into_iter().map(|condition| condition.text).collect()
    }
}

impl<'t> Terms<'t> {
    pub(super) fn new(
        version: &'t Version,
        block: &'t Block,
        columns: &'t [Column],
        filling: Option<Filling<'t>>,
    ) -> Self {
        Self { version, block, columns, filling }
    }

    /// `SELECT p0, .., w`: the rows by which the block changes.
    pub(super) fn select(&self, term: &Term) -> String {
        let mut written = Written::default();
        if term.deltas.is_empty()
            && let Some((flips, id)) = self.start_from_flip(term, &mut written)
        {
            written.join(&flips, id);
        }
        if self.version.dialect == Dialect::Postgres {
            // Known before they are joined: each is told where it can be.
            for leaf in term.order.iter().filter_map(|id| self.block.leaf(*id)) {
                if term.deltas.contains(&leaf.id) || term.joins_inner(leaf) {
                    self.add(term, &leaf.on, &mut written);
                }
            }
            self.add(term, &self.block.filter, &mut written);
        }
        for leaf in term.order.iter().filter_map(|id| self.block.leaf(*id)) {
            self.join(term, leaf, &mut written);
        }
        if self.version.dialect == Dialect::Sqlite {
            self.add(term, &self.block.filter, &mut written);
        }
        for leaf in self.sought(term) {
            let sources = BTreeSet::new();
            written.conditions.push(Condition { text: self.exists(term, leaf), sources });
        }
        let started = if term.deltas.is_empty() { 1 } else { 0 };
        for leaf in term.flips.iter().skip(started).filter_map(|id| self.block.leaf(*id)) {
            match self.flips_by_key(term, leaf, &mut written) {
                Some(flips) => written.join(&flips, leaf.id),
                None => {
                    let flip = self.flip(term, leaf);
                    written.weights.push(flip);
                }
            }
        }
        self.finish(term, &written)
    }

    fn finish(&self, term: &Term, written: &Written) -> String {
        let projection = self.block.projection.iter().enumerate();
        let projection = list(projection, |(at, expr)| {
            let expr = self.absent(term, expr);
            let ty = self.columns.get(at).map_or(Some(expr.ty), |column| column.ty);
            format!("{} AS p{at}", self.version.dialect.exact(&expr, ty))
        });
        let sign = if term.negative { "-" } else { "" };
        let comma = if projection.is_empty() { "" } else { ", " };
        let conditions: Vec<String> =
            written.conditions.iter().map(|condition| condition.text.clone()).collect();
        format!(
            "SELECT {projection}{comma}{sign}{} AS {TERM_WEIGHT} FROM {} WHERE {}",
            written.weights.join(" * "),
            written.from,
            and(&conditions)
        )
    }

    /// Joins a leaf to what stands in front of it.
    fn join(&self, term: &Term, leaf: &Leaf, written: &mut Written) {
        let (dialect, id) = (self.version.dialect, leaf.id);
        if term.deltas.contains(&id) {
            written.weights.push(format!("{id}.{WEIGHT}"));
        }
        let mut reached = Vec::new();
        self.restrict(leaf, &mut written.weights, &mut reached);
        if term.deltas.contains(&id) {
            written.join(&format!("{} AS {id}", self.changed_rows(leaf)), id);
        } else {
            let table = self.version.relation(&leaf.input);
            let (alias, columns) = (id.to_string(), names(&self.wanted(leaf)));
            if term.joins_inner(leaf) && dialect == Dialect::Sqlite {
                written.join(&format!("{table} AS {id}"), id);
            } else {
                let mut conditions = if term.joins_inner(leaf) {
                    written.ready(id)
                } else {
                    leaf.on.iter().map(|on| self.condition(term, on)).collect()
                };
                conditions.append(&mut reached);
                let probe =
                    Probe { table: &table, alias: &alias, columns: &columns, conditions: &conditions };
                written.from += &match term.joins_inner(leaf) {
                    true => dialect.probed(&probe),
                    false => dialect.probed_or_not(&probe),
                };
                written.known.insert(id);
                return;
            }
        }
        if dialect == Dialect::Sqlite {
            self.add(term, &leaf.on, written);
        }
        let sources = BTreeSet::from([id]);
        written
            .conditions
            .extend(reached.into_iter().map(|text| Condition { text, sources: sources.clone() }));
    }

    fn add(&self, term: &Term, conditions: &[Expr], written: &mut Written) {
        written.conditions.extend(conditions.iter().map(|expr| {
            let expr = self.absent(term, expr);
            Condition { text: self.version.dialect.condition(&expr), sources: sources(&expr) }
        }));
    }

    /// Whether each row that comes, and each that goes, is told once: those of one leaf, which its own key tells apart.
    pub(super) fn is_once(&self, term: &Term) -> bool {
        let [id] = term.deltas[..] else { return false };
        let used = self.block.used(id);
        let key = self.block.leaf(id).map(|leaf| self.version.key(&leaf.input)).unwrap_or_default();
        term.flips.is_empty()
            && !key.is_empty()
            && key.iter().all(|column| used.contains(column.label.as_str()))
    }

    /// A condition, in which the columns of leaves that are without partner are NULL.
    pub(super) fn condition(&self, term: &Term, expr: &Expr) -> String {
        self.version.dialect.condition(&self.absent(term, expr))
    }

    /// An expression, in which the columns of leaves that are without partner are NULL.
    pub(super) fn absent(&self, term: &Term, expr: &Expr) -> Expr {
        walk::rewrite(expr, &mut |expr| match &expr.kind {
            ExprKind::Column { source, .. } if term.flips.contains(source) && self.is_outer(*source) => {
                Some(Expr::null(expr.ty))
            }
            _ => None,
        })
    }

    fn is_outer(&self, id: SourceId) -> bool {
        self.block.leaf(id).is_some_and(|leaf| leaf.kind == LeafKind::Left)
    }

    /// Leaves of which partners are looked for as they are now.
    fn sought<'a>(&'a self, term: &'a Term) -> impl Iterator<Item = &'a Leaf> {
        self.block.leaves.iter().filter(|leaf| {
            matches!(leaf.kind, LeafKind::Semi | LeafKind::Anti) && !term.flips.contains(&leaf.id)
        })
    }

    fn exists(&self, term: &Term, leaf: &Leaf) -> String {
        let not = if leaf.kind == LeafKind::Anti { "NOT " } else { "" };
        let on: Vec<String> = leaf.on.iter().map(|on| self.condition(term, on)).collect();
        let table = self.version.relation(&leaf.input);
        let pinned = self.version.dialect.pinned();
        format!("{not}EXISTS (SELECT 1 FROM {table} AS {} WHERE {}{pinned})", leaf.id, and(&on))
    }

    /// The columns of a leaf's rows that the term names.
    fn wanted(&self, leaf: &Leaf) -> Vec<String> {
        self.typed(leaf).into_iter().map(|(label, _)| label).collect()
    }

    /// The same with their types, in order.
    fn typed(&self, leaf: &Leaf) -> Vec<(String, Option<Ty>)> {
        let mut typed: Vec<(String, Option<Ty>)> = self
            .block
            .used_columns(leaf.id)
            .into_iter()
            .map(|(label, ty)| (label.to_owned(), Some(ty)))
            .collect();
        if self.filling.is_some_and(|filling| filling.leaf == leaf.id) {
            let key = self.version.key(&leaf.input).into_iter();
            typed.extend(key.map(|column| (column.label, column.ty)));
            typed.sort_by_key(|(label, _)| quoted(label));
            typed.dedup_by(|(one, _), (other, _)| one == other);
        }
        typed
    }

    /// What of a leaf's rows changed in a column that the block names.
    fn changed_rows(&self, leaf: &Leaf) -> String {
        let filled = self.filling.filter(|filling| filling.leaf == leaf.id);
        let delta = match filled.and_then(|filling| filling.chunk) {
            Some(chunk) => chunk.to_owned(),
            None => self.version.delta(&leaf.input),
        };
        net(self.version.dialect, &delta, &self.typed(leaf))
    }

    /// Leaves out what the block is not filled from yet.
    fn restrict(&self, leaf: &Leaf, weights: &mut Vec<String>, conditions: &mut Vec<String>) {
        let Some(filling) = self.filling.filter(|filling| filling.leaf == leaf.id) else { return };
        let dialect = self.version.dialect;
        let key = self.version.key(&leaf.input);
        let source = leaf.id.to_string();
        let key: Vec<&Column> = key.iter().collect();
        let parts = dialect.ordered_parts(&key, &|column| super::of(&source, column)).join(", ");
        let frontier = filling.frontier;
        let through = if Mutant::FrontierOffByOne.is_on() { "<" } else { "<=" };
        let reached = format!("({parts}) {through} (SELECT * FROM {frontier})");
        if filling.weightless {
            weights.push(dialect.one_if(&reached));
        } else {
            conditions.push(reached);
        }
    }
}

/// Changes by their own columns: what came and went again is nothing.
fn net(dialect: Dialect, delta: &str, columns: &[(String, Option<Ty>)]) -> String {
    let (weight, total) = (dialect.sum(WEIGHT), format!("SUM({WEIGHT})"));
    if columns.is_empty() {
        return format!("(SELECT {weight} AS {WEIGHT} FROM {delta} HAVING {total} <> 0)");
    }
    let labels: Vec<String> = columns.iter().map(|(label, _)| quoted(label)).collect();
    let by = dialect.exactly(labels.iter().map(String::as_str).zip(columns.iter().map(|(_, ty)| *ty)));
    let labels = labels.join(", ");
    format!("(SELECT {labels}, {weight} AS {WEIGHT} FROM {delta} GROUP BY {by} HAVING {total} <> 0)")
}
