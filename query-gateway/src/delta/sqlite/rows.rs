//! Rows of joins: removed by their key, and added.

use super::{Version, WEIGHT, labels, list, same, stored, term::TERM_WEIGHT};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Column, Input, NodeId},
    },
    sql::sqlite::quoted,
};

impl Version {
    /// Takes what these SELECTs say into a node, and leaves it in its delta.
    pub(super) fn step_rows(&self, id: NodeId, selects: &[String]) -> Vec<String> {
        let delta = self.delta(&Input::Node(id));
        let clear = format!("DELETE FROM {delta}");
        if selects.is_empty() {
            return vec![clear];
        }
        let columns = &self.node(id).columns;
        let places = list(0..columns.len(), |at| format!("p{at}"));
        let sum = format!("SUM({TERM_WEIGHT})");
        let netted = format!(
            "INSERT INTO {delta} SELECT {places}, {sum} FROM ({}) GROUP BY {places} HAVING {sum} <> 0",
            selects.join(" UNION ALL ")
        );
        let mut statements = vec![clear, netted];
        statements.extend(self.apply_rows(id));
        statements
    }

    /// Makes the rows of a node follow its delta, in which each key has at most one old and one new row.
    pub(super) fn apply_rows(&self, id: NodeId) -> [String; 2] {
        let (delta, table) = (self.delta(&Input::Node(id)), stored(self.number, id.0));
        let node = self.node(id);
        let key: Vec<&Column> = node.key_columns().collect();
        let removed = if key.iter().any(|column| column.nullable) {
            let pairs: Vec<_> = key.iter().map(|column| (*column, *column)).collect();
            format!(
                "rowid IN (SELECT n.rowid FROM {delta} AS d CROSS JOIN {table} AS n ON {} WHERE d.{WEIGHT} < 0)",
                same("n", "d", &pairs)
            )
        } else {
            let parts = labels(key.iter().copied());
            format!("({parts}) IN (SELECT {parts} FROM {delta} WHERE {WEIGHT} < 0)")
        };
        let columns = list(&node.columns, |column| quoted(&column.label));
        let removed = if Mutant::DroppedRetraction.is_on() { "FALSE".to_owned() } else { removed };
        [
            format!("DELETE FROM {table} WHERE {removed}"),
            format!("INSERT INTO {table} SELECT {columns} FROM {delta} WHERE {WEIGHT} > 0"),
        ]
    }
}
