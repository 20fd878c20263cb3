//! A term as a SELECT: changes, then what they are joined with, then how often each row comes or goes.

use super::{Version, WEIGHT, and, condition, expression, list, ordered};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Block, Leaf, LeafKind},
        terms::Term,
    },
    sql::{
        relational::{Expr, ExprKind, SourceId},
        sqlite::quoted,
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
    filling: Option<Filling<'t>>,
}

impl<'t> Terms<'t> {
    pub(super) fn new(version: &'t Version, block: &'t Block, filling: Option<Filling<'t>>) -> Self {
        Self { version, block, filling }
    }

    /// `SELECT p0, .., w`: the rows by which the block changes. What goes and what comes is compared byte by byte: a
    /// collation from within an expression would be that of its result too.
    pub(super) fn select(&self, term: &Term) -> String {
        let mut conditions: Vec<String> = Vec::new();
        let mut from = Vec::new();
        let mut weights = Vec::new();
        if term.deltas.is_empty() {
            from.extend(self.start_from_flip(term, &mut weights, &mut conditions));
        }
        for id in &term.order {
            let Some(leaf) = self.block.leaf(*id) else { continue };
            if term.deltas.contains(id) {
                weights.push(format!("{id}.{WEIGHT}"));
                self.restrict(leaf, &mut weights, &mut conditions);
                from.push(join(from.is_empty(), &format!("{} AS {id}", self.changed_rows(leaf))));
                conditions.extend(leaf.on.iter().map(|on| self.condition(term, on)));
            } else if !term.joins_inner(leaf) {
                let mut on: Vec<String> = leaf.on.iter().map(|on| self.condition(term, on)).collect();
                self.restrict(leaf, &mut weights, &mut on);
                let table = self.version.relation(&leaf.input);
                from.push(format!(" LEFT JOIN {table} AS {id} ON {}", and(&on)));
            } else {
                let table = self.version.relation(&leaf.input);
                from.push(join(from.is_empty(), &format!("{table} AS {id}")));
                conditions.extend(leaf.on.iter().map(|on| self.condition(term, on)));
                self.restrict(leaf, &mut weights, &mut conditions);
            }
        }
        conditions.extend(self.block.filter.iter().map(|filter| self.condition(term, filter)));
        for leaf in self.sought(term) {
            conditions.push(self.exists(term, leaf));
        }
        let started = if term.deltas.is_empty() { 1 } else { 0 };
        for leaf in term.flips.iter().skip(started).filter_map(|id| self.block.leaf(*id)) {
            match self.flips_by_key(term, leaf, &mut weights, &mut conditions) {
                Some(flips) => from.push(join(from.is_empty(), &flips)),
                None => weights.push(self.flip(term, leaf)),
            }
        }
        let projection = self.block.projection.iter().enumerate();
        let projection = list(projection, |(at, expr)| {
            format!("{} COLLATE BINARY AS p{at}", expression(&self.absent(term, expr)))
        });
        let sign = if term.negative { "-" } else { "" };
        let comma = if projection.is_empty() { "" } else { ", " };
        format!(
            "SELECT {projection}{comma}{sign}{} AS {TERM_WEIGHT} FROM {} WHERE {}",
            weights.join(" * "),
            from.concat(),
            and(&conditions)
        )
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
        condition(&self.absent(term, expr))
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
        format!("{not}EXISTS (SELECT 1 FROM {table} AS {} WHERE {})", leaf.id, and(&on))
    }

    /// What of a leaf's rows changed in a column that the block names.
    fn changed_rows(&self, leaf: &Leaf) -> String {
        let filled = self.filling.filter(|filling| filling.leaf == leaf.id);
        let mut used: Vec<String> = self.block.used(leaf.id).into_iter().map(quoted).collect();
        if filled.is_some() {
            let key = self.version.key(&leaf.input);
            used.extend(key.iter().map(|column| quoted(&column.label)));
            used.sort();
            used.dedup();
        }
        let delta = match filled.and_then(|filling| filling.chunk) {
            Some(chunk) => chunk.to_owned(),
            None => self.version.delta(&leaf.input),
        };
        net(&delta, &used)
    }

    /// Leaves out what the block is not filled from yet.
    fn restrict(&self, leaf: &Leaf, weights: &mut Vec<String>, conditions: &mut Vec<String>) {
        let Some(filling) = self.filling.filter(|filling| filling.leaf == leaf.id) else { return };
        let key = self.version.key(&leaf.input);
        let source = leaf.id.to_string();
        let parts = list(&key, |column| ordered(&super::of(&source, column), column));
        let frontier = filling.frontier;
        let through = if Mutant::FrontierOffByOne.is_on() { "<" } else { "<=" };
        let reached = format!("({parts}) {through} (SELECT * FROM {frontier})");
        if filling.weightless {
            weights.push(format!("ifnull({reached}, 0)"));
        } else {
            conditions.push(reached);
        }
    }
}

/// Changes by their own columns: what came and went again is nothing.
fn net(delta: &str, columns: &[String]) -> String {
    let weight = format!("SUM({WEIGHT})");
    if columns.is_empty() {
        return format!("(SELECT {weight} AS {WEIGHT} FROM {delta} HAVING {weight} <> 0)");
    }
    let columns = columns.join(", ");
    format!("(SELECT {columns}, {weight} AS {WEIGHT} FROM {delta} GROUP BY {columns} HAVING {weight} <> 0)")
}

fn join(first: bool, source: &str) -> String {
    if first { source.to_owned() } else { format!(" CROSS JOIN {source}") }
}
