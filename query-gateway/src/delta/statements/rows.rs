//! Rows of joins: removed by their key, written over, and added.

use super::{Version, WEIGHT, dialect::Probe, labels, list, routine::Step, stored, term::TERM_WEIGHT};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Column, Input, Node, NodeId},
    },
    sql::{Dialect, text::quoted},
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
    pub(super) fn step_rows(&self, id: NodeId, selects: &[Select]) -> Vec<Step> {
        let (dialect, delta) = (self.dialect, self.delta(&Input::Node(id)));
        let clear = Step::Clear(delta.clone());
        if selects.is_empty() {
            return vec![clear];
        }
        let columns = &self.node(id).columns;
        let places = list(0..columns.len(), |at| format!("p{at}"));
        let noted = if let [Select { text, once: true }] = selects {
            let from = dialect.unnamed(text);
            format!("INSERT INTO {delta} SELECT {places}, {TERM_WEIGHT} FROM {from}")
        } else {
            let selects: Vec<&str> = selects.iter().map(|select| select.text.as_str()).collect();
            let (from, sum) = (dialect.unnamed(&selects.join(" UNION ALL ")), format!("SUM({TERM_WEIGHT})"));
            let named: Vec<String> = (0..columns.len()).map(|at| format!("p{at}")).collect();
            let by =
                dialect.exactly(named.iter().map(String::as_str).zip(columns.iter().map(|column| column.ty)));
            format!("INSERT INTO {delta} SELECT {places}, {sum} FROM {from} GROUP BY {by} HAVING {sum} <> 0")
        };
        let applied = self.apply_rows(id).map(Step::IfChanged);
        [clear, Step::Always(noted)].into_iter().chain(applied).collect()
    }

    /// Makes the rows of a node follow its delta, in which each key has at most one old and one new row. One that has both
    /// is written over: removed and added it would cost two ways through the table.
    pub(super) fn apply_rows(&self, id: NodeId) -> [String; 2] {
        let (dialect, delta, table) = (self.dialect, self.delta(&Input::Node(id)), stored(self.number, id.0));
        let node = self.node(id);
        let key: Vec<&Column> = node.key_columns().collect();
        let parts = labels(key.iter().copied());
        let gone = format!("SELECT {parts} FROM {delta} GROUP BY {parts} HAVING SUM({WEIGHT}) < 0");
        let pairs: Vec<_> = key.iter().map(|column| (*column, *column)).collect();
        let found = || {
            let conditions = [dialect.same("n", "d", &pairs)];
            let row = dialect.row();
            let probe = Probe { table: &table, alias: "n", columns: row, conditions: &conditions };
            format!("SELECT n.{row} FROM ({gone}) AS d{}", dialect.probed(&probe))
        };
        let removed = match dialect {
            Dialect::Sqlite if key.iter().all(|column| !column.nullable) => format!("({parts}) IN ({gone})"),
            _ => dialect.row_among(&found()),
        };
        let columns = list(&node.columns, |column| quoted(&column.label));
        let removed = if Mutant::DroppedRetraction.is_on() { "FALSE".to_owned() } else { removed };
        [
            format!("DELETE FROM {table} WHERE {removed}"),
            format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM {delta} WHERE {WEIGHT} > 0{}",
                written_over(dialect, node)
            ),
        ]
    }
}

/// What becomes of the old row of a key. Equal values of the key may look different, as 1.0 and 1.00 do.
fn written_over(dialect: Dialect, node: &Node) -> String {
    let columns = node.columns.iter().enumerate();
    let written = columns.filter(|(at, column)| !node.key.contains(at) || dialect.varies(column.ty));
    let sets = list(written, |(_, column)| format!("{0} = excluded.{0}", quoted(&column.label)));
    let key = dialect.indexed_parts(&node.key_columns().collect::<Vec<_>>());
    if key.is_empty() {
        String::new()
    } else if sets.is_empty() {
        format!(" ON CONFLICT ({key}) DO NOTHING")
    } else {
        format!(" ON CONFLICT ({key}) DO UPDATE SET {sets}")
    }
}
