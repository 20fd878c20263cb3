//! Rows of joins: removed by their key, written over, and added.

use super::{Version, WEIGHT, collate, labels, list, not_null, same, stored, term::TERM_WEIGHT};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Column, Input, Node, NodeId},
    },
    sql::sqlite::quoted,
};

/// One SELECT of those that a node changes by.
#[derive(Clone, Debug)]
pub(super) struct Select {
    pub(super) text: String,
    /// Whether each key occurs in it at most once with each weight, which is 1 or -1.
    pub(super) once: bool,
}

impl Version {
    /// Takes what these SELECTs say into a node, and leaves it in its delta.
    pub(super) fn step_rows(&self, id: NodeId, selects: &[Select]) -> Vec<String> {
        let delta = self.delta(&Input::Node(id));
        let clear = format!("DELETE FROM {delta}");
        if selects.is_empty() {
            return vec![clear];
        }
        let columns = &self.node(id).columns;
        let places = list(0..columns.len(), |at| format!("p{at}"));
        if let [Select { text, once: true }] = selects {
            let copied = format!("INSERT INTO {delta} SELECT {places}, {TERM_WEIGHT} FROM ({text})");
            return [clear, copied].into_iter().chain(self.apply_rows(id)).collect();
        }
        let selects: Vec<&str> = selects.iter().map(|select| select.text.as_str()).collect();
        let sum = format!("SUM({TERM_WEIGHT})");
        let netted = format!(
            "INSERT INTO {delta} SELECT {places}, {sum} FROM ({}) GROUP BY {places} HAVING {sum} <> 0",
            selects.join(" UNION ALL ")
        );
        let mut statements = vec![clear, netted];
        statements.extend(self.apply_rows(id));
        statements
    }

    /// Makes the rows of a node follow its delta, in which each key has at most one old and one new row. One that has both
    /// is written over: removed and added it would cost two ways through the table.
    pub(super) fn apply_rows(&self, id: NodeId) -> [String; 2] {
        let (delta, table) = (self.delta(&Input::Node(id)), stored(self.number, id.0));
        let node = self.node(id);
        let key: Vec<&Column> = node.key_columns().collect();
        let parts = labels(key.iter().copied());
        let gone = format!("SELECT {parts} FROM {delta} GROUP BY {parts} HAVING SUM({WEIGHT}) < 0");
        let removed = if key.iter().any(|column| column.nullable) {
            let pairs: Vec<_> = key.iter().map(|column| (*column, *column)).collect();
            format!(
                "rowid IN (SELECT n.rowid FROM ({gone}) AS d CROSS JOIN {table} AS n ON {})",
                same("n", "d", &pairs)
            )
        } else {
            format!("({parts}) IN ({gone})")
        };
        let columns = list(&node.columns, |column| quoted(&column.label));
        let removed = if Mutant::DroppedRetraction.is_on() { "FALSE".to_owned() } else { removed };
        [
            format!("DELETE FROM {table} WHERE {removed}"),
            format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM {delta} WHERE {WEIGHT} > 0{}",
                written_over(node)
            ),
        ]
    }
}

/// What becomes of the old row of a key. Equal values of the key may look different, as 1.0 and 1.00 do.
fn written_over(node: &Node) -> String {
    let columns = node.columns.iter().enumerate();
    let written = columns.filter(|(at, column)| !node.key.contains(at) || !collate(column.ty).is_empty());
    let sets = list(written, |(_, column)| format!("{0} = excluded.{0}", quoted(&column.label)));
    let key = list(node.key_columns(), |column| not_null(&quoted(&column.label), column));
    if key.is_empty() {
        String::new()
    } else if sets.is_empty() {
        format!(" ON CONFLICT ({key}) DO NOTHING")
    } else {
        format!(" ON CONFLICT ({key}) DO UPDATE SET {sets}")
    }
}
