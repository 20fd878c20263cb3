//! Windows: every partition in which something changed is computed again, and compared with what was there.

use super::{
    Progress, Version, WEIGHT, and, condition, expression, list, not_null, of, ordered, same, stored,
};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Column, Input, NodeId, Ranks},
    },
    sql::sqlite::quoted,
};

impl Version {
    /// Fills the list of partitions from the changes of the leaf.
    pub(super) fn changed_partitions(&self, id: NodeId, ranks: &Ranks, progress: Progress) -> String {
        let delta = self.delta(&ranks.leaf.input);
        let mut conditions = filter(ranks);
        if Mutant::NewPartitionsOnly.is_on() {
            conditions.push(format!("{}.{WEIGHT} > 0", ranks.leaf.id));
        }
        if let Progress::Filling { .. } = progress {
            let reached =
                format!("{} <= (SELECT * FROM {})", first_partition(ranks), self.temporary('f', id));
            conditions.push(reached);
        }
        self.partitions(id, ranks, &delta, &conditions)
    }

    /// Fills the list of partitions from `table`.
    pub(super) fn partitions(&self, id: NodeId, ranks: &Ranks, table: &str, conditions: &[String]) -> String {
        let list = list(&ranks.partition, expression);
        format!(
            "INSERT INTO {} SELECT DISTINCT {list} FROM {table} AS {} WHERE {}",
            self.temporary('p', id),
            ranks.leaf.id,
            and(conditions)
        )
    }

    /// Computes the listed partitions again.
    pub(super) fn step_ranks(&self, id: NodeId, ranks: &Ranks, list_partitions: &str) -> Vec<String> {
        let (listed, delta) = (self.temporary('p', id), self.delta(&Input::Node(id)));
        let (node, table) = (self.node(id), stored(self.number, id.0));
        let stored_partition = || ranks.partition_columns.iter().map(|at| &node.columns[*at]);
        let pairs: Vec<(&Column, &Column)> = stored_partition().map(|column| (column, column)).collect();
        let columns = list(&node.columns, |column| quoted(&column.label));
        let before = list(&node.columns, |column| of("n", column));
        let now = list(ranks.projection.iter().zip(&node.columns), |(expr, column)| {
            format!("{} AS {}", expression(expr), quoted(&column.label))
        });
        let mut conditions: Vec<String> = ranks
            .partition
            .iter()
            .zip(stored_partition())
            .map(|(expr, column)| {
                let nullable = expr.nullable || column.nullable;
                let column = Column { nullable, ..column.clone() };
                let value = not_null(&expression(expr), &column);
                format!("{value} = {}", not_null(&of("p", &column), &column))
            })
            .collect();
        conditions.extend(filter(ranks));
        let compared = format!(
            "INSERT INTO {delta} SELECT {columns}, SUM({WEIGHT}) FROM (\
             SELECT {before}, -1 AS {WEIGHT} FROM {listed} AS p CROSS JOIN {table} AS n ON {} UNION ALL \
             SELECT {now}, 1 AS {WEIGHT} FROM {listed} AS p CROSS JOIN {} AS {} WHERE {}\
             ) GROUP BY {columns} HAVING SUM({WEIGHT}) <> 0",
            same("n", "p", &pairs),
            self.relation(&ranks.leaf.input),
            ranks.leaf.id,
            and(&conditions)
        );
        let mut statements = vec![
            format!("DELETE FROM {listed}"),
            format!("DELETE FROM {delta}"),
            list_partitions.to_owned(),
            compared,
        ];
        statements.extend(self.apply_rows(id));
        statements
    }
}

/// Conditions on the rows of the leaf.
pub(super) fn filter(ranks: &Ranks) -> Vec<String> {
    ranks.filter.iter().map(condition).collect()
}

/// By which the partitions are filled one after another.
pub(super) fn first_partition(ranks: &Ranks) -> String {
    let first = &ranks.partition[0];
    let column = Column::new("", first.ty, first.nullable);
    ordered(&expression(first), &column)
}
