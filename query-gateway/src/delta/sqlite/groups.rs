//! Groups: sums go up and down by what changed, and what is no sum is looked up again in the groups that changed.

use super::{
    Version, and, condition, expression, labels, list, not_null, same, stored,
    tables::{groups_columns, is_tally},
};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Block, Column, Feed, Groups, Input, Lookup, Measure, MeasureKind, NodeId, ROWS},
        sqlite::term::TERM_WEIGHT,
    },
    sql::{
        relational::{Expr, ExprKind},
        sqlite::{key_expression, quoted},
    },
};

impl Version {
    /// Takes what the SELECTs of each feed say into the groups of a node; leaves old and new groups in its delta if
    /// somebody reads it.
    pub(super) fn step_groups(
        &self,
        id: NodeId,
        groups: &Groups,
        selects: &[Vec<String>],
        read: bool,
    ) -> Vec<String> {
        let (changes, delta) = (self.temporary('g', id), self.delta(&Input::Node(id)));
        let mut statements = vec![format!("DELETE FROM {changes}"), format!("DELETE FROM {delta}")];
        let all: Vec<String> = groups
            .feeds
            .iter()
            .zip(selects)
            .enumerate()
            .flat_map(|(at, (feed, selects))| {
                selects.iter().map(move |select| weighed(groups, at, feed, select))
            })
            .collect();
        if all.is_empty() {
            return statements;
        }
        statements.push(summed(groups, &changes, &all));
        if read && !Mutant::NoOldGroup.is_on() {
            statements.push(self.images(id, groups, -1));
        }
        statements.push(self.merge(id, groups));
        statements.push(self.remove_empty(id, groups));
        if read {
            statements.push(self.images(id, groups, 1));
        }
        statements
    }

    /// The groups that change, as others see them before or after.
    fn images(&self, id: NodeId, groups: &Groups, weight: i64) -> String {
        let (changes, delta) = (self.temporary('g', id), self.delta(&Input::Node(id)));
        let out = self.relation(&Input::Node(id));
        let shown: Vec<&Column> = self.node(id).key_columns().collect();
        // By the names that the groups are kept under: those that others see may be computed from them.
        let pairs: Vec<(&Column, &Column)> = shown.into_iter().zip(&groups.keys).collect();
        let columns = list(&self.node(id).columns, |column| format!("o.{}", quoted(&column.label)));
        format!(
            "INSERT INTO {delta} SELECT {columns}, {weight} FROM {changes} AS g CROSS JOIN {out} AS o ON {}",
            same("o", "g", &pairs)
        )
    }

    fn merge(&self, id: NodeId, groups: &Groups) -> String {
        let (changes, table) = (self.temporary('g', id), stored(self.number, id.0));
        let columns = groups_columns(groups);
        let lookups: Vec<(&Feed, &Lookup)> = groups
            .feeds
            .iter()
            .flat_map(|feed| feed.lookups.iter().map(move |lookup| (feed, lookup)))
            .collect();
        let looked_up = |label: &str| lookups.iter().find(|(_, lookup)| lookup.label == label);
        let values = list(&columns, |column| match looked_up(&column.label) {
            Some((feed, lookup)) => self.look_up(groups, feed, lookup),
            None => format!("g.{}", quoted(&column.label)),
        });
        let target = list(&groups.keys, |key| not_null(&quoted(&key.label), key));
        let sets = list(columns.iter().skip(groups.keys.len()), |column| {
            let label = quoted(&column.label);
            match looked_up(&column.label) {
                Some((_, lookup)) if lookup.is_extreme() && Mutant::MissingRepair.is_on() => {
                    format!("{label} = coalesce({label}, excluded.{label})")
                }
                Some(_) => format!("{label} = excluded.{label}"),
                None if is_tally(groups, &column.label) => {
                    format!("{label} = tributary_tally_add({label}, excluded.{label})")
                }
                None => format!("{label} = {label} + excluded.{label}"),
            }
        });
        let names = labels(&columns);
        format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM {changes} AS g WHERE TRUE \
             ON CONFLICT ({target}) DO UPDATE SET {sets}"
        )
    }

    /// An aggregate over the rows of the group `g`, as they are now.
    fn look_up(&self, groups: &Groups, feed: &Feed, lookup: &Lookup) -> String {
        let Some(block) = feed.blocks.first() else { return "NULL".to_owned() };
        let Some(leaf) = block.leaves.first() else { return "NULL".to_owned() };
        let mut conditions: Vec<String> = Vec::new();
        if !groups.whole {
            for (key, expr) in groups.keys.iter().zip(&block.projection) {
                let equal = if key.nullable { "IS" } else { "=" };
                conditions.push(format!("{} {equal} g.{}", key_expression(expr), quoted(&key.label)));
            }
        }
        conditions.extend(block.filter.iter().map(condition));
        let aggregate = ExprKind::Aggregate(Box::new(lookup.aggregate.clone()));
        let aggregate = expression(&Expr::new(aggregate, lookup.ty, true));
        let table = self.relation(&leaf.input);
        format!("(SELECT {aggregate} FROM {table} AS {} WHERE {})", leaf.id, and(&conditions))
    }

    /// A group without rows is none. One that lost more than it had is a defect, and says so.
    fn remove_empty(&self, id: NodeId, groups: &Groups) -> String {
        let (table, rows) = (stored(self.number, id.0), quoted(ROWS));
        if groups.whole {
            return format!("DELETE FROM {table} WHERE {rows} < 0 AND tributary_emptied({rows})");
        }
        format!("DELETE FROM {table} WHERE {rows} <= 0 AND tributary_emptied({rows})")
    }
}

/// The rows of one SELECT of a feed, as what they add to each column of the groups.
fn weighed(groups: &Groups, at: usize, feed: &Feed, select: &str) -> String {
    let keys = groups.keys.len();
    let mut values: Vec<String> =
        groups.keys.iter().enumerate().map(|(at, key)| format!("p{at} AS {}", quoted(&key.label))).collect();
    let rows = if at == 0 { TERM_WEIGHT } else { "0" };
    values.push(format!("{rows} AS {}", quoted(ROWS)));
    for (other, of) in groups.feeds.iter().enumerate() {
        for (n, sum) in of.sums.iter().enumerate() {
            let value = if other == at { added(sum, feed, keys + n) } else { nothing(sum.kind).to_owned() };
            values.push(format!("{value} AS {}", quoted(&sum.label)));
        }
    }
    format!("SELECT {} FROM ({select})", values.join(", "))
}

/// What no row adds.
fn nothing(kind: MeasureKind) -> &'static str {
    match kind {
        MeasureKind::Count | MeasureKind::Sum => "0",
        MeasureKind::Tally => "''",
    }
}

fn added(sum: &Measure, feed: &Feed, place: usize) -> String {
    let value = format!("p{place}");
    let nullable = feed.blocks.iter().any(|block: &Block| block.projection[place].nullable);
    match sum.kind {
        MeasureKind::Count if !nullable || Mutant::CountedNulls.is_on() => TERM_WEIGHT.to_owned(),
        MeasureKind::Count => format!("({value} IS NOT NULL) * {TERM_WEIGHT}"),
        MeasureKind::Tally => format!("tributary_tally({value}, {TERM_WEIGHT})"),
        MeasureKind::Sum => {
            // What leaves 64 bits when it is multiplied would go on as a double; of weight 1 there is none.
            let multiplied = format!(
                "CASE {TERM_WEIGHT} WHEN 1 THEN {value} WHEN -1 THEN -{value} ELSE pg_mul_bigint({value}, {TERM_WEIGHT}) END"
            );
            if nullable { format!("ifnull({multiplied}, 0)") } else { multiplied }
        }
    }
}

/// One row for each group that changes. Where values are looked up, a change that cancels out counts too.
fn summed(groups: &Groups, changes: &str, selects: &[String]) -> String {
    let measures = groups.feeds.iter().flat_map(|feed| &feed.sums);
    let sums: Vec<(String, MeasureKind)> = std::iter::once((quoted(ROWS), MeasureKind::Count))
        .chain(measures.map(|sum| (quoted(&sum.label), sum.kind)))
        .collect();
    let total = |(label, kind): &(String, MeasureKind)| match kind {
        MeasureKind::Count | MeasureKind::Sum => format!("SUM({label})"),
        MeasureKind::Tally => format!("tributary_tally_total({label})"),
    };
    let keys: Vec<String> =
        groups.keys.iter().map(|key| format!("{}{}", quoted(&key.label), super::collate(key.ty))).collect();
    let having = if groups.feeds.iter().all(|feed| feed.lookups.is_empty()) {
        let some: Vec<String> =
            sums.iter().map(|sum| format!("{} <> {}", total(sum), nothing(sum.1))).collect();
        format!(" HAVING {}", some.join(" OR "))
    } else {
        String::new()
    };
    let names = list(
        groups.keys.iter().map(|key| quoted(&key.label)).chain(sums.iter().map(|(label, _)| label.clone())),
        |name| name,
    );
    let values = list(&groups.keys, |key| quoted(&key.label));
    let totals = list(&sums, total);
    let lost = groups.keys.iter().filter(|key| key.nullable && Mutant::LostNullGroup.is_on());
    let filter =
        lost.map(|key| format!(" WHERE {} IS NOT NULL", quoted(&key.label))).next().unwrap_or_default();
    format!(
        "INSERT INTO {changes} ({names}) SELECT {values}, {totals} FROM ({}){filter} GROUP BY {}{having}",
        selects.join(" UNION ALL "),
        keys.join(", ")
    )
}
