//! Groups: sums go up and down by what changed, and what is no sum is looked up again in the groups that changed.

use super::{
    Version, and,
    dialect::Probe,
    labels, list,
    routine::Step,
    stored,
    tables::groups_columns,
    tally::{beside, is_tally, nothing, shown},
};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Block, Column, Feed, Groups, Input, Lookup, Measure, MeasureKind, NodeId, ROWS},
        statements::term::TERM_WEIGHT,
    },
    sql::{
        Dialect,
        relational::{Expr, ExprKind},
        text::quoted,
        types::Ty,
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
    ) -> Vec<Step> {
        let (changes, delta) = (self.temporary('g', id), self.delta(&Input::Node(id)));
        let clear = [&changes, &delta].map(|table| Step::Clear(table.clone()));
        let mut statements = Vec::from(clear);
        let all: Vec<String> = groups
            .feeds
            .iter()
            .zip(selects)
            .enumerate()
            .flat_map(|(at, (feed, selects))| {
                selects.iter().map(move |select| weighed(self.dialect, groups, at, feed, select))
            })
            .collect();
        if all.is_empty() {
            return statements;
        }
        statements.push(Step::Always(summed(self.dialect, groups, &changes, &all)));
        if read && !Mutant::NoOldGroup.is_on() {
            statements.push(Step::IfChanged(self.images(id, groups, -1)));
        }
        statements.push(Step::IfChanged(self.merge(id, groups)));
        statements.push(Step::IfChanged(self.remove_empty(id, groups)));
        if read {
            statements.push(Step::IfChanged(self.images(id, groups, 1)));
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
        let wanted = labels(&self.node(id).columns);
        let conditions = [self.dialect.same("o", "g", &pairs)];
        let probe = Probe { table: &out, alias: "o", columns: &wanted, conditions: &conditions };
        let probed = self.dialect.probed(&probe);
        format!("INSERT INTO {delta} SELECT {columns}, {weight} FROM {changes} AS g{probed}")
    }

    fn merge(&self, id: NodeId, groups: &Groups) -> String {
        let (dialect, changes, table) = (self.dialect, self.temporary('g', id), stored(self.number, id.0));
        let columns = groups_columns(dialect, groups);
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
        let target = dialect.indexed_parts(&groups.keys.iter().collect::<Vec<_>>());
        let sets = list(columns.iter().skip(groups.keys.len()), |column| {
            let label = quoted(&column.label);
            let current = dialect.current(&label);
            match looked_up(&column.label) {
                Some((_, lookup)) if lookup.is_extreme() && Mutant::MissingRepair.is_on() => {
                    format!("{label} = coalesce({current}, excluded.{label})")
                }
                Some(_) => format!("{label} = excluded.{label}"),
                None if dialect == Dialect::Sqlite && is_tally(groups, &column.label) => {
                    format!("{label} = tributary_tally_add({label}, excluded.{label})")
                }
                None => format!("{label} = {current} + excluded.{label}"),
            }
        });
        let names = labels(&columns);
        format!(
            "INSERT INTO {} ({names}) SELECT {values} FROM {changes} AS g WHERE TRUE \
             ON CONFLICT ({target}) DO UPDATE SET {sets}",
            dialect.target(&table)
        )
    }

    /// An aggregate over the rows of the group `g`, as they are now.
    fn look_up(&self, groups: &Groups, feed: &Feed, lookup: &Lookup) -> String {
        let dialect = self.dialect;
        let Some(block) = feed.blocks.first() else { return "NULL".to_owned() };
        let Some(leaf) = block.leaves.first() else { return "NULL".to_owned() };
        let mut conditions: Vec<String> = Vec::new();
        if !groups.whole {
            for (key, expr) in groups.keys.iter().zip(&block.projection) {
                conditions.push(dialect.is_key(expr, key, &format!("g.{}", quoted(&key.label))));
            }
        }
        conditions.extend(block.filter.iter().map(|filter| dialect.condition(filter)));
        let aggregate = ExprKind::Aggregate(Box::new(lookup.aggregate.clone()));
        let aggregate = dialect.expression(&Expr::new(aggregate, lookup.ty, true));
        let table = self.relation(&leaf.input);
        format!("(SELECT {aggregate} FROM {table} AS {} WHERE {})", leaf.id, and(&conditions))
    }

    /// A group without rows is none. One that lost more than it had is a defect, and says so.
    fn remove_empty(&self, id: NodeId, groups: &Groups) -> String {
        let (table, rows) = (stored(self.number, id.0), quoted(ROWS));
        let emptied = self.dialect.emptied();
        match self.dialect {
            _ if groups.whole => format!("DELETE FROM {table} WHERE {rows} < 0 AND {emptied}({rows})"),
            Dialect::Sqlite => format!("DELETE FROM {table} WHERE {rows} <= 0 AND {emptied}({rows})"),
            // There is no index on what changes with every change of a group: those that lost rows are looked at.
            Dialect::Postgres => {
                let keys: Vec<(&Column, &Column)> = groups.keys.iter().map(|key| (key, key)).collect();
                let conditions = [self.dialect.same("n", "g", &keys), format!("n.{rows} <= 0")];
                let columns = format!("{}, {rows}", self.dialect.row());
                let probe = Probe { table: &table, alias: "n", columns: &columns, conditions: &conditions };
                let found = format!(
                    "SELECT n.{} FROM {} AS g{} WHERE g.{rows} < 0 AND {emptied}(n.{rows})",
                    self.dialect.row(),
                    self.temporary('g', id),
                    self.dialect.probed(&probe)
                );
                format!("DELETE FROM {table} WHERE {}", self.dialect.row_among(&found))
            }
        }
    }
}

/// The rows of one SELECT of a feed, as what they add to each column of the groups.
fn weighed(dialect: Dialect, groups: &Groups, at: usize, feed: &Feed, select: &str) -> String {
    let keys = groups.keys.len();
    let mut values: Vec<String> =
        groups.keys.iter().enumerate().map(|(at, key)| format!("p{at} AS {}", quoted(&key.label))).collect();
    let rows = if at == 0 { TERM_WEIGHT } else { "0" };
    values.push(format!("{rows} AS {}", quoted(ROWS)));
    for (other, of) in groups.feeds.iter().enumerate() {
        for (n, sum) in of.sums.iter().enumerate() {
            let value = match other == at {
                true => added(dialect, sum, feed, keys + n),
                false => nothing(dialect, groups, &sum.label).to_owned(),
            };
            values.push(format!("{value} AS {}", quoted(&sum.label)));
            if let Some(label) = beside(dialect, sum) {
                let digits =
                    || dialect.or(&format!("{} * {TERM_WEIGHT}", shown(&format!("p{}", keys + n))), "0");
                let value = if other == at { digits() } else { "0".to_owned() };
                values.push(format!("{value} AS {}", quoted(&label)));
            }
        }
    }
    format!("SELECT {} FROM {}", values.join(", "), dialect.unnamed(select))
}

fn added(dialect: Dialect, sum: &Measure, feed: &Feed, place: usize) -> String {
    let value = format!("p{place}");
    let nullable = feed.blocks.iter().any(|block: &Block| block.projection[place].nullable);
    let added = match (sum.kind, dialect) {
        (MeasureKind::Count, _) if !nullable || Mutant::CountedNulls.is_on() => {
            return TERM_WEIGHT.to_owned();
        }
        (MeasureKind::Count, _) => {
            return format!("{} * {TERM_WEIGHT}", dialect.number(&format!("{value} IS NOT NULL")));
        }
        (MeasureKind::Tally, Dialect::Sqlite) => return format!("tributary_tally({value}, {TERM_WEIGHT})"),
        (MeasureKind::Tally, Dialect::Postgres) => {
            return dialect.or(&format!("{value} * {TERM_WEIGHT}"), "0");
        }
        // What leaves 64 bits when it is multiplied would go on as a double; of weight 1 there is none.
        (MeasureKind::Sum, Dialect::Sqlite) => format!(
            "CASE {TERM_WEIGHT} WHEN 1 THEN {value} WHEN -1 THEN -{value} ELSE pg_mul_bigint({value}, {TERM_WEIGHT}) END"
        ),
        // A sum of bigint is a numeric, which has no bounds.
        (MeasureKind::Sum, Dialect::Postgres) if sum.ty == Ty::Whole => {
            format!("{value}::numeric * {TERM_WEIGHT}")
        }
        (MeasureKind::Sum, Dialect::Postgres) => format!("{value} * {TERM_WEIGHT}"),
    };
    if nullable { dialect.or(&added, "0") } else { added }
}

/// One row for each group that changes. Where values are looked up, a change that cancels out counts too.
fn summed(dialect: Dialect, groups: &Groups, changes: &str, selects: &[String]) -> String {
    let measures: Vec<String> = groups_columns(dialect, groups)
        .into_iter()
        .map(|column| column.label)
        .skip(groups.keys.len())
        .collect();
    let looked_up = |label: &String| {
        let mut lookups = groups.feeds.iter().flat_map(|feed| &feed.lookups);
        lookups.any(|lookup| lookup.label == *label)
    };
    let sums: Vec<&String> = measures.iter().filter(|label| !looked_up(label)).collect();
    let total = |label: &&String| match dialect {
        Dialect::Sqlite if is_tally(groups, label) => format!("tributary_tally_total({})", quoted(label)),
        _ => format!("SUM({})", quoted(label)),
    };
    let keys: Vec<String> =
        groups.keys.iter().map(|key| format!("{}{}", quoted(&key.label), dialect.collate(key.ty))).collect();
    let having = if sums.len() == measures.len() {
        let some: Vec<String> =
            sums.iter().map(|sum| format!("{} <> {}", total(sum), nothing(dialect, groups, sum))).collect();
        format!(" HAVING {}", some.join(" OR "))
    } else {
        String::new()
    };
    let names = list(
        groups.keys.iter().map(|key| quoted(&key.label)).chain(sums.iter().map(|label| quoted(label))),
        |name| name,
    );
    let values = list(&groups.keys, |key| quoted(&key.label));
    let totals = list(&sums, total);
    let lost = groups.keys.iter().filter(|key| key.nullable && Mutant::LostNullGroup.is_on());
    let filter =
        lost.map(|key| format!(" WHERE {} IS NOT NULL", quoted(&key.label))).next().unwrap_or_default();
    format!(
        "INSERT INTO {changes} ({names}) SELECT {values}, {totals} FROM {}{filter} GROUP BY {}{having}",
        dialect.unnamed(&selects.join(" UNION ALL ")),
        keys.join(", ")
    )
}
