//! What keeps rows and changes: tables, views over them, indexes, and the triggers that note the changes of base tables.

use super::{
    IndexStatement, Version, WEIGHT, collate, condition, expression, labels, list, not_null, ordered, stored,
};
use crate::{
    catalog,
    delta::{
        lookups::Search,
        mutant::Mutant,
        plan::{Column, Groups, HIDDEN, Input, MeasureKind, NodeId, Operator, ROWS},
    },
    sql::{sqlite::quoted, types::Ty},
};

/// The changes of a base table.
pub fn base_delta(table: &str) -> String {
    format!("temp.{}", quoted(&format!("_delta_{table}")))
}

/// Notes every change of a base table as an old and a new row, whoever makes it on this connection.
pub fn base_triggers(table: &str, columns: &[&catalog::Column]) -> Vec<String> {
    let types: Vec<Column> = columns
        .iter()
        .map(|column| Column::new(column.name.clone(), column.ty.into(), column.nullable))
        .collect();
    let delta = base_delta(table);
    let bare = quoted(&format!("_delta_{table}"));
    let row = |which: &str, weight: i64| {
        let values = list(&types, |column| format!("{which}.{}", quoted(&column.label)));
        format!("INSERT INTO {bare} VALUES ({values}, {weight});")
    };
    let trigger = |event: &str, body: String| {
        let name = quoted(&format!("_on_{}_{table}", event.to_lowercase()));
        format!("CREATE TEMP TRIGGER {name} AFTER {event} ON main.{} BEGIN {body} END", quoted(table))
    };
    let updated = match Mutant::LostUpdate.is_on() {
        true => "SELECT 1;".to_owned(),
        false => format!("{} {}", row("OLD", -1), row("NEW", 1)),
    };
    vec![
        format!("CREATE TABLE {delta} ({}, {WEIGHT} INTEGER NOT NULL) STRICT", defined(&types)),
        trigger("INSERT", row("NEW", 1)),
        trigger("DELETE", row("OLD", -1)),
        trigger("UPDATE", updated),
    ]
}

impl Version {
    /// What a node is kept in, empty.
    pub fn create(&self, id: NodeId) -> Vec<String> {
        let node = self.node(id);
        let table = stored(self.number, id.0);
        match &node.operator {
            Operator::Rows(_) => kept(&table, &node.columns, &node.key),
            Operator::Ranks(ranks) => {
                let mut statements = kept(&table, &node.columns, &node.key);
                let columns = ranks.partition_columns.iter().map(|at| &node.columns[*at]);
                let parts = list(columns, |column| not_null(&quoted(&column.label), column));
                statements.push(format!("CREATE INDEX {table}_partition ON {table} ({parts})"));
                statements
            }
            Operator::Groups(groups) => self.create_groups(id, groups),
        }
    }

    fn create_groups(&self, id: NodeId, groups: &Groups) -> Vec<String> {
        let table = stored(self.number, id.0);
        let columns = groups_columns(groups);
        let mut statements = kept(&table, &columns, &(0..groups.keys.len()).collect::<Vec<_>>());
        let rows = quoted(ROWS);
        statements.push(format!("CREATE INDEX {table}_empty ON {table} ({rows}) WHERE {rows} <= 0"));
        if groups.whole {
            let nothing = columns.iter().map(|column| match column.label.as_str() {
                _ if column.nullable => "NULL",
                label if groups.keys.iter().any(|key| key.label == label) => "1",
                label if is_tally(groups, label) => "''",
                _ => "0",
            });
            let nothing = nothing.collect::<Vec<_>>().join(", ");
            statements.push(format!("INSERT INTO {table} VALUES ({nothing})"));
        }
        let outputs = groups.outputs.iter().zip(&self.node(id).columns);
        let outputs =
            list(outputs, |(expr, column)| format!("{} AS {}", expression(expr), quoted(&column.label)));
        let mut conditions: Vec<String> = groups.having.iter().map(condition).collect();
        if !groups.whole {
            conditions.push(format!("{}.{rows} > 0", groups.id));
        }
        statements.push(format!(
            "CREATE VIEW {} AS SELECT {outputs} FROM {table} AS {} WHERE {}",
            self.relation(&Input::Node(id)),
            groups.id,
            super::and(&conditions)
        ));
        statements
    }

    /// What holds the changes of a node for the time of a transaction.
    pub fn create_temporary(&self, id: NodeId) -> Vec<String> {
        let node = self.node(id);
        let (delta, changes) = (self.delta(&Input::Node(id)), defined(&node.columns));
        let mut statements =
            vec![format!("CREATE TABLE {delta} ({changes}, {WEIGHT} INTEGER NOT NULL) STRICT")];
        match &node.operator {
            Operator::Rows(_) => {}
            Operator::Groups(groups) => {
                let columns = defined(&groups_columns(groups));
                statements.push(format!("CREATE TABLE {} ({columns}) STRICT", self.temporary('g', id)));
            }
            Operator::Ranks(ranks) => {
                let columns: Vec<Column> =
                    ranks.partition_columns.iter().map(|at| node.columns[*at].clone()).collect();
                statements.push(format!(
                    "CREATE TABLE {} ({}) STRICT",
                    self.temporary('p', id),
                    defined(&columns)
                ));
            }
        }
        statements
    }

    /// Removes what is there for the time of a transaction.
    pub fn drop_temporary(&self) -> Vec<String> {
        let nodes = (0..self.plan.nodes.len()).map(NodeId);
        let tables = nodes.flat_map(|id| ['d', 'g', 'p', 'c', 'f'].map(|kind| self.temporary(kind, id)));
        tables.map(|table| format!("DROP TABLE IF EXISTS {table}")).collect()
    }
}

/// Whether a column that is kept of a group is a tally, and not a number.
pub(super) fn is_tally(groups: &Groups, label: &str) -> bool {
    let mut sums = groups.feeds.iter().flat_map(|feed| &feed.sums);
    sums.any(|sum| sum.label == label && sum.kind == MeasureKind::Tally)
}

/// All that is kept of a group.
pub(super) fn groups_columns(groups: &Groups) -> Vec<Column> {
    let mut columns = groups.keys.clone();
    columns.push(Column::new(ROWS, Ty::Bigint, false));
    for feed in &groups.feeds {
        columns.extend(feed.sums.iter().map(|sum| Column::new(sum.label.clone(), sum.ty, false)));
        columns.extend(feed.lookups.iter().map(|lookup| Column::new(lookup.label.clone(), lookup.ty, true)));
    }
    columns
}

/// A table by its key. Without a rowid a look-up is one descent, but documents would fill the inner nodes, and NULLs
/// cannot be part of it.
fn kept(table: &str, columns: &[Column], key: &[usize]) -> Vec<String> {
    let parts: Vec<&Column> = key.iter().map(|at| &columns[*at]).collect();
    let definitions = typed(columns, key);
    if parts.iter().any(|column| column.nullable) {
        let parts = list(parts, |column| not_null(&quoted(&column.label), column));
        return vec![
            format!("CREATE TABLE {table} ({definitions}) STRICT"),
            format!("CREATE UNIQUE INDEX {table}_key ON {table} ({parts})"),
        ];
    }
    let documents = columns.iter().any(|column| matches!(column.ty, Some(Ty::Jsonb | Ty::Bytea)));
    let integer = matches!(parts[..], [part] if storage(part.ty) == "INTEGER");
    let rowid = if documents || integer { "" } else { ", WITHOUT ROWID" };
    vec![format!(
        "CREATE TABLE {table} ({definitions}, PRIMARY KEY ({})) STRICT{rowid}",
        labels(parts.iter().copied())
    )]
}

fn typed(columns: &[Column], key: &[usize]) -> String {
    let columns = columns.iter().enumerate();
    list(columns, |(at, column)| {
        let part = key.contains(&at);
        let null = if part && !column.nullable { " NOT NULL" } else { "" };
        let collation = if part { collate(column.ty) } else { String::new() };
        format!("{} {}{null}{collation}", quoted(&column.label), storage(column.ty))
    })
}

fn defined(columns: &[Column]) -> String {
    list(columns, |column| format!("{} {}{}", quoted(&column.label), storage(column.ty), collate(column.ty)))
}

fn storage(ty: Option<Ty>) -> &'static str {
    match ty {
        Some(Ty::Bool | Ty::Integer | Ty::Bigint | Ty::Whole | Ty::Timestamptz | Ty::Date) => "INTEGER",
        Some(Ty::Double) => "REAL",
        Some(Ty::Bytea) => "BLOB",
        Some(Ty::Text | Ty::Jsonb | Ty::Numeric | Ty::Interval | Ty::Unknown) => "TEXT",
        None => "ANY",
    }
}

/// An index over what is searched for; none where that is computed when it is read.
pub(super) fn index(version: &Version, search: &Search) -> Option<IndexStatement> {
    let table = version.storage(&search.input);
    let stored = |column: &Column| {
        let label = match &search.input {
            Input::Node(id) => version.node(*id).stored_as(&column.label)?,
            Input::Relation(name) => match version.view(name) {
                Some(view) => view.stored.iter().find(|(label, _)| *label == column.label)?.1.clone()?,
                None => column.label.clone(),
            },
        };
        Some(Column { label, ..column.clone() })
    };
    let columns = search.columns.iter().map(stored).collect::<Option<Vec<Column>>>()?;
    let mut name = format!("_i_{}", table.trim_matches('"'));
    for column in &columns {
        let nulls = if column.nullable { "0" } else { "" };
        name.push_str(&format!("_{}{nulls}", column.label.trim_start_matches(HIDDEN)));
    }
    let parts = list(&columns, |column| ordered(&quoted(&column.label), column));
    let text = format!("CREATE INDEX {} ON {table} ({parts})", quoted(&name));
    Some(IndexStatement { name, table: table.trim_matches('"').to_owned(), text })
}
