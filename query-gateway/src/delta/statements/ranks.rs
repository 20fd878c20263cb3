//! Windows: every partition in which something changed is computed again, and compared with what was there.

use super::{Progress, Version, WEIGHT, and, dialect::Probe, list, of, routine::Step, stored};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Column, Input, NodeId, Ranks},
    },
    sql::{Dialect, text::quoted},
};

impl Version {
    /// Fills the list of partitions from the changes of the leaf.
    pub(super) fn changed_partitions(&self, id: NodeId, ranks: &Ranks, progress: Progress) -> String {
        let delta = self.delta(&ranks.leaf.input);
        let mut conditions = self.filter(ranks);
        if Mutant::NewPartitionsOnly.is_on() {
            conditions.push(format!("{}.{WEIGHT} > 0", ranks.leaf.id));
        }
        if let Progress::Filling { .. } = progress {
            let reached =
                format!("{} <= (SELECT * FROM {})", self.first_partition(ranks), self.temporary('f', id));
            conditions.push(reached);
        }
        self.partitions(id, ranks, &delta, &conditions)
    }

    /// Fills the list of partitions from `table`.
    pub(super) fn partitions(&self, id: NodeId, ranks: &Ranks, table: &str, conditions: &[String]) -> String {
        let list = list(&ranks.partition, |expr| self.dialect.expression(expr));
        format!(
            "INSERT INTO {} SELECT DISTINCT {list} FROM {table} AS {} WHERE {}",
            self.temporary('p', id),
            ranks.leaf.id,
            and(conditions)
        )
    }

    /// Computes the listed partitions again.
    pub(super) fn step_ranks(&self, id: NodeId, ranks: &Ranks, list_partitions: &str) -> Vec<Step> {
        let dialect = self.dialect;
        let (listed, delta) = (self.temporary('p', id), self.delta(&Input::Node(id)));
        let (node, table) = (self.node(id), stored(self.number, id.0));
        let stored_partition = || ranks.partition_columns.iter().map(|at| &node.columns[*at]);
        let pairs: Vec<(&Column, &Column)> = stored_partition().map(|column| (column, column)).collect();
        let columns = list(&node.columns, |column| quoted(&column.label));
        let before = list(&node.columns, |column| of("n", column));
        let now = list(ranks.projection.iter().zip(&node.columns), |(expr, column)| {
            format!("{} AS {}", dialect.expression(expr), quoted(&column.label))
        });
        let mut conditions: Vec<String> = ranks
            .partition
            .iter()
            .zip(stored_partition())
            .map(|(expr, column)| {
                let nullable = expr.nullable || column.nullable;
                let column = Column { nullable, ..column.clone() };
                let value = dialect.not_null(&dialect.expression(expr), &column);
                format!("{value} = {}", dialect.not_null(&of("p", &column), &column))
            })
            .collect();
        conditions.extend(self.filter(ranks));
        let same = [dialect.same("n", "p", &pairs)];
        let was = dialect.probed(&Probe { table: &table, alias: "n", columns: &columns, conditions: &same });
        let (leaf, table) = (ranks.leaf.id.to_string(), self.relation(&ranks.leaf.input));
        let is = match dialect {
            Dialect::Sqlite => format!(" CROSS JOIN {table} AS {leaf} WHERE {}", and(&conditions)),
            Dialect::Postgres => {
                dialect.probed(&Probe { table: &table, alias: &leaf, columns: "*", conditions: &conditions })
            }
        };
        let named: Vec<String> = node.columns.iter().map(|column| quoted(&column.label)).collect();
        let by = dialect.exactly(named.iter().map(String::as_str).zip(node.columns.iter().map(|c| c.ty)));
        let rows = dialect.unnamed(&format!(
            "SELECT {before}, -1 AS {WEIGHT} FROM {listed} AS p{was} UNION ALL \
             SELECT {now}, 1 AS {WEIGHT} FROM {listed} AS p{is}"
        ));
        let compared = format!(
            "INSERT INTO {delta} SELECT {columns}, SUM({WEIGHT}) FROM {rows} GROUP BY {by} HAVING SUM({WEIGHT}) <> 0"
        );
        let applied = self.apply_rows(id).map(Step::IfChanged);
        let mut steps = vec![
            Step::Clear(listed),
            Step::Clear(delta),
            Step::Always(list_partitions.to_owned()),
            Step::IfChanged(compared),
        ];
        steps.extend(applied);
        steps
    }

    /// Conditions on the rows of the leaf.
    pub(super) fn filter(&self, ranks: &Ranks) -> Vec<String> {
        ranks.filter.iter().map(|filter| self.dialect.condition(filter)).collect()
    }

    /// By which the partitions are filled one after another.
    pub(super) fn first_partition(&self, ranks: &Ranks) -> String {
        let first = &ranks.partition[0];
        let column = Column::new("", first.ty, first.nullable);
        self.dialect.ordered(&self.dialect.expression(first), &column)
    }
}
