//! Leaves of which it matters whether there is a partner: by what they changed between none and some.

use std::collections::BTreeSet;

use super::{
    WEIGHT, and, list,
    term::{Condition, Terms, Written},
};
use crate::{
    delta::{
        compile::equality,
        plan::{Column, Leaf, LeafKind, sources},
        terms::Term,
    },
    sql::{
        Dialect,
        relational::{Comparison, Expr, ExprKind, SourceId},
        types::Ty,
    },
};

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

impl Terms<'_> {
    /// Begins with what has, or has no more, a partner: rows, and the leaf by whose name they go.
    pub(super) fn start_from_flip(&self, term: &Term, written: &mut Written) -> Option<(String, SourceId)> {
        let leaf = term.flips.first().and_then(|id| self.block.leaf(*id))?;
        if let Some(flips) = self.flips_by_key(term, leaf, written) {
            return Some((flips, leaf.id));
        }
        let split = Split::of(leaf);
        self.found_by_key(term, leaf, &split, written);
        let keys = list(split.pairs.iter().enumerate(), |(at, (own, _))| {
            format!("{} AS k{at}", self.version.dialect.key_expression(own))
        });
        let (distinct, keys, limit) =
            if keys.is_empty() { ("", "1".to_owned(), " LIMIT 1") } else { ("DISTINCT ", keys, "") };
        written.weights.push(self.flip(term, leaf));
        let (id, delta, own) = (leaf.id, self.version.delta(&leaf.input), and(&self.own(&split)));
        Some((format!("(SELECT {distinct}{keys} FROM {delta} AS {id} WHERE {own}{limit}) AS {id}"), id))
    }

    /// The flips of a leaf as rows to be joined, each with a key; none if its partners are not found by a key alone.
    ///
    /// As one row for each key and not as a value for each row around it: the changes are not searched once for each.
    pub(super) fn flips_by_key(&self, term: &Term, leaf: &Leaf, written: &mut Written) -> Option<String> {
        let split = Split::of(leaf);
        if split.pairs.is_empty() || split.mixed {
            return None;
        }
        self.found_by_key(term, leaf, &split, written);
        written.weights.push(format!("{}.flip", leaf.id));
        Some(format!("{} AS {}", self.flipped_keys(leaf, &split), leaf.id))
    }

    /// When a row around the leaf is one of a key of its flips.
    fn found_by_key(&self, term: &Term, leaf: &Leaf, split: &Split<'_>, written: &mut Written) {
        for (at, (own, other)) in split.pairs.iter().enumerate() {
            let key = Column::new(format!("k{at}"), own.ty, own.nullable).of(leaf.id);
            let left = self.absent(term, other);
            let mut named: BTreeSet<SourceId> = sources(&left);
            named.insert(leaf.id);
            let (left, right) = (Box::new(left), Box::new(key));
            let equal = ExprKind::Compare { operator: Comparison::Equal, left, right };
            let text = self.version.dialect.condition(&Expr::new(equal, Ty::Bool, true));
            written.conditions.push(Condition { text, sources: named });
        }
        written.conditions.extend(split.around.iter().map(|expr| {
            let sources = sources(&self.absent(term, expr));
            Condition { text: self.condition(term, expr), sources }
        }));
    }

    fn own(&self, split: &Split<'_>) -> Vec<String> {
        split.own.iter().map(|expr| self.version.dialect.condition(expr)).collect()
    }

    /// The keys that now have a partner and had none, or the reverse.
    fn flipped_keys(&self, leaf: &Leaf, split: &Split<'_>) -> String {
        let (id, own) = (leaf.id, self.own(split));
        let delta = self.version.delta(&leaf.input);
        let keys = || split.pairs.iter().enumerate();
        let dialect = self.version.dialect;
        let (expression, key) =
            (|expr: &Expr| dialect.expression(expr), |expr: &Expr| dialect.key_expression(expr));
        let named = list(keys(), |(at, (own, _))| format!("{} AS k{at}", expression(own)));
        let groups = list(keys(), |(_, (own, _))| key(own));
        let mut known: Vec<String> = own.clone();
        known.extend(keys().map(|(_, (own, _))| format!("{} IS NOT NULL", expression(own))));
        let changed = format!(
            "(SELECT {named}, SUM({WEIGHT}) AS d FROM {delta} AS {id} WHERE {} GROUP BY {groups} HAVING SUM({WEIGHT}) <> 0)",
            and(&known)
        );
        let mut found: Vec<String> = own;
        found.extend(keys().map(|(at, (own, _))| format!("{} = g.k{at}", key(own))));
        let table = self.version.relation(&leaf.input);
        let now = format!("(SELECT COUNT(*) FROM {table} AS {id} WHERE {})", and(&found));
        let list = list(keys(), |(at, _)| format!("g.k{at} AS k{at}"));
        format!("(SELECT {list}, {} AS flip FROM {changed} AS g)", flipped(dialect, leaf.kind, &now, "g.d"))
    }

    /// For a row around the leaf, whatever its conditions are: 1 if it came to count, -1 if it ceased to.
    pub(super) fn flip(&self, term: &Term, leaf: &Leaf) -> String {
        let id = leaf.id;
        // The conditions name the leaf itself here, so its columns are not NULL.
        let others =
            Term { flips: term.flips.iter().copied().filter(|flip| *flip != id).collect(), ..term.clone() };
        let on: Vec<String> = leaf.on.iter().map(|on| self.condition(&others, on)).collect();
        let on = and(&on);
        let (table, delta) = (self.version.relation(&leaf.input), self.version.delta(&leaf.input));
        let now = format!("(SELECT COUNT(*) FROM {table} AS {id} WHERE {on})");
        let dialect = self.version.dialect;
        let sum = dialect.or(&format!("SUM({WEIGHT})"), "0");
        let changed = format!("(SELECT {sum} FROM {delta} AS {id} WHERE {on})");
        flipped(dialect, leaf.kind, &now, &changed)
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
fn flipped(dialect: Dialect, kind: LeafKind, now: &str, changed: &str) -> String {
    let operator = if kind == LeafKind::Semi { ">" } else { "=" };
    let is = |partners: &str| dialect.number(&format!("{partners} {operator} 0"));
    format!("({} - {})", is(now), is(&format!("{now} - {changed}")))
}
