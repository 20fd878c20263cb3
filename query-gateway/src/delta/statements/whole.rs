//! Nodes as queries: what would be kept of a view, computed from what it reads.

use super::{
    Version, and, list, of,
    tables::groups_columns,
    tally::{beside, measured, nothing, over_kept, shown},
};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Block, Column, Feed, Groups, Input, LeafKind, MeasureKind, NodeId, Operator, ROWS},
    },
    sql::{
        Dialect,
        relational::{Expr, ExprKind, SourceId},
        text::quoted,
    },
};

/// Queries in the place of nodes from which on it takes longer to prepare than to run.
const MANY_PLACES: usize = 64;

/// What makes the rows of a block: behind FROM, and behind WHERE.
pub(super) struct Joined {
    pub(super) from: Vec<String>,
    pub(super) conditions: Vec<String>,
}

impl Version {
    /// All nodes as `name AS (query)`, by the names under which others read them.
    ///
    /// What is asked of a node is asked of what it reads, by its keys, as long as the store puts the query in the place of
    /// the name each time. Nodes that read each other often would become too many: those are computed once.
    pub fn whole(&self) -> Vec<String> {
        let places = self.places().into_iter().fold(0, usize::saturating_add);
        let hint = if places <= MANY_PLACES { "NOT MATERIALIZED " } else { "" };
        let nodes = (0..self.plan.nodes.len()).map(NodeId);
        nodes
            .map(|id| format!("{} AS {hint}({})", self.relation(&Input::Node(id)), self.whole_node(id)))
            .collect()
    }

    /// Of each node, how many queries stand in its place once each has been put in the place of its name.
    pub fn places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = Vec::new();
        for node in &self.plan.nodes {
            let read = node.leaves().iter().fold(1, |sum: usize, leaf| match leaf.input {
                Input::Node(NodeId(at)) => sum.saturating_add(places.get(at).copied().unwrap_or(1)),
                Input::Relation(_) => sum,
            });
            places.push(read);
        }
        places
    }

    fn whole_node(&self, id: NodeId) -> String {
        let node = self.node(id);
        match &node.operator {
            Operator::Rows(blocks) => {
                let selects = blocks.iter().map(|block| self.whole_block(block, &node.columns, &node.key));
                selects.collect::<Vec<_>>().join(" UNION ALL ")
            }
            Operator::Groups(groups) => self.whole_groups(groups, &node.columns),
            Operator::Ranks(ranks) => {
                let values = ranks.projection.iter().zip(&node.columns);
                format!(
                    "SELECT {} FROM {} AS {} WHERE {}",
                    list(values, |(expr, column)| named(&self.dialect.expression(expr), column)),
                    self.relation(&ranks.leaf.input),
                    ranks.leaf.id,
                    and(&self.filter(ranks))
                )
            }
        }
    }

    fn whole_block(&self, block: &Block, columns: &[Column], key: &[usize]) -> String {
        let Joined { from, conditions } = self.joined(block, None);
        let values = block.projection.iter().zip(columns).enumerate();
        let values = list(values, |(at, (expr, column))| {
            let collation = self.dialect.collate(column.ty);
            let value = match key.contains(&at) && !collation.is_empty() {
                true => self.dialect.expression(expr) + &collation,
                false => self.dialect.exact(expr, column.ty),
            };
            named(&value, column)
        });
        format!("SELECT {values} FROM {} WHERE {}", from.join(" "), and(&conditions))
    }

    /// The leaves of a block joined, with those that are only looked for as conditions. `found` names one of which just the
    /// rows that take part are wanted: it is joined whatever its kind.
    pub(super) fn joined(&self, block: &Block, found: Option<SourceId>) -> Joined {
        let mut joined = Joined { from: Vec::new(), conditions: Vec::new() };
        for leaf in &block.leaves {
            let table = format!("{} AS {}", self.relation(&leaf.input), leaf.id);
            let on: Vec<String> = leaf.on.iter().map(|on| self.dialect.condition(on)).collect();
            match leaf.kind {
                LeafKind::Left if found != Some(leaf.id) => {
                    joined.from.push(format!("LEFT JOIN {table} ON {}", and(&on)));
                }
                LeafKind::Semi | LeafKind::Anti if found != Some(leaf.id) => {
                    let not = if leaf.kind == LeafKind::Anti { "NOT " } else { "" };
                    joined.conditions.push(format!("{not}EXISTS (SELECT 1 FROM {table} WHERE {})", and(&on)));
                }
                _ => {
                    let join = match self.dialect {
                        _ if joined.from.is_empty() => "",
                        Dialect::Sqlite => "JOIN ",
                        // What is joined on is among the conditions.
                        Dialect::Postgres => "CROSS JOIN ",
                    };
                    joined.from.push(format!("{join}{table}"));
                    joined.conditions.extend(on);
                }
            }
        }
        if found.is_none() || !Mutant::NamedWithoutFilter.is_on() {
            joined.conditions.extend(block.filter.iter().map(|filter| self.dialect.condition(filter)));
        }
        joined
    }

    fn whole_groups(&self, groups: &Groups, columns: &[Column]) -> String {
        let (rows, id) = (quoted(ROWS), groups.id);
        let pairs: Vec<(&Column, &Column)> = groups.keys.iter().map(|key| (key, key)).collect();
        let mut from = String::new();
        for (at, feed) in groups.feeds.iter().enumerate() {
            let fed = format!("({}) AS f{at}", self.whole_feed(groups, feed));
            let on = self.dialect.same("f0", &format!("f{at}"), &pairs);
            from += &if at == 0 { fed } else { format!(" LEFT JOIN {fed} ON {on}") };
        }
        let holder = |label: &str| {
            let has = |feed: &Feed| {
                let mut sums = feed.sums.iter().flat_map(|sum| measured(self.dialect, sum));
                sums.any(|known| known.label == label)
                    || feed.lookups.iter().any(|lookup| lookup.label == label)
            };
            groups.feeds.iter().position(has).unwrap_or_default()
        };
        let kept = list(&groups_columns(self.dialect, groups), |column| {
            let value = of(&format!("f{}", holder(&column.label)), column);
            let is_key = groups.keys.iter().any(|key| key.label == column.label);
            let value = match column.nullable || is_key {
                true => value,
                false => self.dialect.or(&value, nothing(self.dialect, groups, &column.label)),
            };
            named(&value, column)
        });
        let kept_as = |expr: &Expr| over_kept(self.dialect, groups, expr);
        let mut conditions: Vec<String> =
            groups.having.iter().map(|having| self.dialect.condition(&kept_as(having))).collect();
        if !groups.whole {
            conditions.push(format!("{id}.{rows} > 0"));
        }
        let outputs = groups.outputs.iter().zip(columns);
        let outputs = list(outputs, |(expr, column)| named(&self.dialect.expression(&kept_as(expr)), column));
        format!("SELECT {outputs} FROM (SELECT {kept} FROM {from}) AS {id} WHERE {}", and(&conditions))
    }

    /// What one feed makes of its groups. Where it looks values up, it has one leaf, and they are computed over that.
    fn whole_feed(&self, groups: &Groups, feed: &Feed) -> String {
        let direct = feed.blocks.first().filter(|_| !feed.lookups.is_empty());
        let value = |at: usize| match direct {
            Some(block) => self.dialect.expression(&block.projection[at]),
            None => format!("p{at}"),
        };
        let source = match direct {
            Some(block) => {
                let Joined { from, conditions } = self.joined(block, None);
                format!("{} WHERE {}", from.join(" "), and(&conditions))
            }
            None => {
                let selects = feed.blocks.iter().map(|block| self.projected(block));
                self.dialect.unnamed(&selects.collect::<Vec<_>>().join(" UNION ALL "))
            }
        };
        // PostgreSQL takes no column from rows that are not grouped by it.
        let of_group = |at: usize| match self.dialect {
            Dialect::Postgres if groups.whole => "1::bigint".to_owned(),
            _ => value(at),
        };
        let mut values: Vec<String> =
            groups.keys.iter().enumerate().map(|(at, key)| named(&of_group(at), key)).collect();
        values.push(format!("COUNT(*) AS {}", quoted(ROWS)));
        for (at, sum) in (groups.keys.len()..).zip(&feed.sums) {
            let value = value(at);
            let total = match sum.kind {
                MeasureKind::Count => format!("COUNT({value})"),
                MeasureKind::Tally if self.dialect == Dialect::Sqlite => {
                    format!("tributary_tally_total(tributary_tally({value}, 1))")
                }
                MeasureKind::Sum | MeasureKind::Tally => format!("SUM({value})"),
            };
            values.push(format!("{total} AS {}", quoted(&sum.label)));
            if let Some(label) = beside(self.dialect, sum) {
                values.push(format!("SUM({}) AS {}", shown(&value), quoted(&label)));
            }
        }
        for lookup in &feed.lookups {
            let aggregate = ExprKind::Aggregate(Box::new(lookup.aggregate.clone()));
            let aggregate = self.dialect.expression(&Expr::new(aggregate, lookup.ty, true));
            values.push(format!("{aggregate} AS {}", quoted(&lookup.label)));
        }
        let keys = groups.keys.iter().enumerate();
        let by = list(keys, |(at, key)| match direct {
            Some(block) => self.dialect.key_expression(&block.projection[at]),
            None => format!("p{at}{}", self.dialect.collate(key.ty)),
        });
        let by = if groups.whole { String::new() } else { format!(" GROUP BY {by}") };
        format!("SELECT {} FROM {source}{by}", values.join(", "))
    }

    /// A block with what it projects as `p0`, `p1`, ..
    fn projected(&self, block: &Block) -> String {
        let Joined { from, conditions } = self.joined(block, None);
        let values = list(block.projection.iter().enumerate(), |(at, expr)| {
            format!("{} AS p{at}", self.dialect.exact(expr, Some(expr.ty)))
        });
        format!("SELECT {values} FROM {} WHERE {}", from.join(" "), and(&conditions))
    }
}

fn named(value: &str, column: &Column) -> String {
    format!("{value} AS {}", quoted(&column.label))
}
