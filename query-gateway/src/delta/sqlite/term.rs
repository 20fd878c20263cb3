//! A term as a SELECT: changes, then what they are joined with, then how often each row comes or goes.

use std::collections::BTreeSet;

use super::{Version, WEIGHT, and, expression, list, ordered};
use crate::{
    delta::{
        compile::equality,
        mutant::Mutant,
        plan::{Block, Column, Leaf, LeafKind, sources},
        terms::Term,
    },
    sql::{
        relational::{Comparison, Expr, ExprKind, SourceId},
        sqlite::{key_expression, quoted},
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
    version: &'t Version,
    block: &'t Block,
    filling: Option<Filling<'t>>,
    /// Sources whose numerics come in either form: those that other views keep.
    either: BTreeSet<SourceId>,
}

/// What a flip is looked up by, if its conditions can be told apart.
struct Split<'b> {
    /// Of the leaf, and of what is around it: both are equal.
    pairs: Vec<(&'b Expr, &'b Expr)>,
    /// Conditions on the leaf alone.
    own: Vec<&'b Expr>,
    /// Conditions that do not name the leaf.
    around: Vec<&'b Expr>,
    /// Conditions on both that are no equalities.
    mixed: bool,
}

impl<'t> Terms<'t> {
    pub(super) fn new(version: &'t Version, block: &'t Block, filling: Option<Filling<'t>>) -> Self {
        let relations = block.leaves.iter().filter(|leaf| version.reads_view(&leaf.input));
        let either = relations.map(|leaf| leaf.id).collect();
        Self { version, block, filling, either }
    }

    /// `SELECT p0, .., w`: the rows by which the block changes. What goes and what comes is compared byte by byte: a
    /// collation from within an expression would be that of its result too.
    pub(super) fn select(&self, term: &Term) -> String {
        let mut conditions: Vec<String> = Vec::new();
        let mut from = Vec::new();
        let mut weights = Vec::new();
        if term.deltas.is_empty() {
            from.push(self.start_from_flip(term, &mut weights, &mut conditions));
        }
        for id in &term.order {
            let Some(leaf) = self.block.leaf(*id) else { continue };
            if term.deltas.contains(id) {
                weights.push(format!("{id}.{WEIGHT}"));
                self.restrict(leaf, &mut weights, &mut conditions);
                from.push(join(from.is_empty(), &format!("{} AS {id}", self.changed_rows(leaf))));
                conditions.extend(leaf.on.iter().map(|on| self.text(term, on)));
            } else if !term.joins_inner(leaf) {
                let mut on: Vec<String> = leaf.on.iter().map(|on| self.text(term, on)).collect();
                self.restrict(leaf, &mut weights, &mut on);
                let table = self.version.relation(&leaf.input);
                from.push(format!(" LEFT JOIN {table} AS {id} ON {}", and(&on)));
            } else {
                let table = self.version.relation(&leaf.input);
                from.push(join(from.is_empty(), &format!("{table} AS {id}")));
                conditions.extend(leaf.on.iter().map(|on| self.text(term, on)));
                self.restrict(leaf, &mut weights, &mut conditions);
            }
        }
        conditions.extend(self.block.filter.iter().map(|filter| self.text(term, filter)));
        for leaf in self.sought(term) {
            conditions.push(self.exists(term, leaf));
        }
        let started = if term.deltas.is_empty() { 1 } else { 0 };
        weights.extend(term.flips.iter().skip(started).map(|id| self.flip(term, *id)));
        let projection = self.block.projection.iter().enumerate();
        let projection =
            list(projection, |(at, expr)| format!("{} COLLATE BINARY AS p{at}", self.text(term, expr)));
        let sign = if term.negative { "-" } else { "" };
        let comma = if projection.is_empty() { "" } else { ", " };
        format!(
            "SELECT {projection}{comma}{sign}{} AS {TERM_WEIGHT} FROM {} WHERE {}",
            weights.join(" * "),
            from.concat(),
            and(&conditions)
        )
    }

    /// An expression, in which the columns of leaves that are without partner are NULL.
    fn text(&self, term: &Term, expr: &Expr) -> String {
        expression(&self.absent(term, expr), &self.either)
    }

    fn absent(&self, term: &Term, expr: &Expr) -> Expr {
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
        let on: Vec<String> = leaf.on.iter().map(|on| self.text(term, on)).collect();
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

    /// Begins with what has, or has no more, a partner.
    fn start_from_flip(
        &self,
        term: &Term,
        weights: &mut Vec<String>,
        conditions: &mut Vec<String>,
    ) -> String {
        let Some(leaf) = term.flips.first().and_then(|id| self.block.leaf(*id)) else {
            return String::new();
        };
        let split = Split::of(leaf);
        let id = leaf.id;
        let delta = self.version.delta(&leaf.input);
        let own: Vec<String> = split.own.iter().map(|expr| expression(expr, &self.either)).collect();
        for (at, (own, other)) in split.pairs.iter().enumerate() {
            let key = Column::new(format!("k{at}"), own.ty, own.nullable).of(id);
            let equal = Expr::new(
                ExprKind::Compare {
                    operator: Comparison::Equal,
                    left: Box::new(self.absent(term, other)),
                    right: Box::new(key),
                },
                Ty::Bool,
                true,
            );
            conditions.push(expression(&equal, &self.either));
        }
        conditions.extend(split.around.iter().map(|expr| self.text(term, expr)));
        if split.pairs.is_empty() || split.mixed {
            let keys = list(split.pairs.iter().enumerate(), |(at, (own, _))| {
                format!("{} AS k{at}", key_expression(own, &self.either))
            });
            let (distinct, keys, limit) =
                if keys.is_empty() { ("", "1".to_owned(), " LIMIT 1") } else { ("DISTINCT ", keys, "") };
            weights.push(self.flip(term, id));
            return format!(
                "(SELECT {distinct}{keys} FROM {delta} AS {id} WHERE {}{limit}) AS {id}",
                and(&own)
            );
        }
        weights.push(format!("{id}.flip"));
        format!("{} AS {id}", self.flipped_keys(leaf, &split, &own))
    }

    /// The keys that now have a partner and had none, or the reverse.
    fn flipped_keys(&self, leaf: &Leaf, split: &Split<'_>, own: &[String]) -> String {
        let id = leaf.id;
        let delta = self.version.delta(&leaf.input);
        let keys = || split.pairs.iter().enumerate();
        let key = |expr: &Expr| key_expression(expr, &self.either);
        let named = list(keys(), |(at, (own, _))| format!("{} AS k{at}", expression(own, &self.either)));
        let groups = list(keys(), |(_, (own, _))| key(own));
        let mut known: Vec<String> = own.to_vec();
        known.extend(keys().map(|(_, (own, _))| format!("{} IS NOT NULL", expression(own, &self.either))));
        let changed = format!(
            "(SELECT {named}, SUM({WEIGHT}) AS d FROM {delta} AS {id} WHERE {} GROUP BY {groups} HAVING SUM({WEIGHT}) <> 0)",
            and(&known)
        );
        let mut found: Vec<String> = own.to_vec();
        found.extend(keys().map(|(at, (own, _))| format!("{} = g.k{at}", key(own))));
        let table = self.version.relation(&leaf.input);
        let now = format!("(SELECT COUNT(*) FROM {table} AS {id} WHERE {})", and(&found));
        let list = list(keys(), |(at, _)| format!("g.k{at} AS k{at}"));
        format!("(SELECT {list}, {} AS flip FROM {changed} AS g)", flipped(leaf.kind, &now, "g.d"))
    }

    /// For a row around the leaf: 1 if it came to count, -1 if it ceased to.
    fn flip(&self, term: &Term, id: SourceId) -> String {
        let Some(leaf) = self.block.leaf(id) else { return String::new() };
        // The conditions name the leaf itself here, so its columns are not NULL.
        let others =
            Term { flips: term.flips.iter().copied().filter(|flip| *flip != id).collect(), ..term.clone() };
        let on: Vec<String> = leaf.on.iter().map(|on| self.text(&others, on)).collect();
        let on = and(&on);
        let (table, delta) = (self.version.relation(&leaf.input), self.version.delta(&leaf.input));
        let now = format!("(SELECT COUNT(*) FROM {table} AS {id} WHERE {on})");
        let changed = format!("(SELECT ifnull(SUM({WEIGHT}), 0) FROM {delta} AS {id} WHERE {on})");
        flipped(leaf.kind, &now, &changed)
    }
}

impl<'b> Split<'b> {
    fn of(leaf: &'b Leaf) -> Self {
        let mut split = Self { pairs: Vec::new(), own: Vec::new(), around: Vec::new(), mixed: false };
        for condition in &leaf.on {
            let named = sources(condition);
            let pair = equality(condition).into_iter().find(|(own, other)| {
                sources(own).iter().eq([&leaf.id])
                    && !sources(other).contains(&leaf.id)
                    && !sources(other).is_empty()
            });
            match pair {
                Some(pair) => split.pairs.push(pair),
                None if !named.contains(&leaf.id) => split.around.push(condition),
                None if named.len() == 1 => split.own.push(condition),
                None => split.mixed = true,
            }
        }
        split
    }
}

/// How the factor of a leaf changed that has `now` partners and got `changed` more.
fn flipped(kind: LeafKind, now: &str, changed: &str) -> String {
    let operator = if kind == LeafKind::Semi { ">" } else { "=" };
    format!("(({now} {operator} 0) - ({now} - {changed} {operator} 0))")
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
