//! What keeps rows and changes: tables, views over them, indexes, and the triggers that note the changes of base tables.

use super::{
    IndexStatement, Version, WEIGHT, labels, list, stored,
    tally::{measured, nothing, over_kept},
};
use crate::{
    catalog,
    delta::{
        lookups::Search,
        mutant::Mutant,
        plan::{Column, Groups, HIDDEN, Input, NodeId, Operator, ROWS},
    },
    sql::{Dialect, text::quoted, types::Ty},
};

/// The changes of a base table.
pub fn base_delta(dialect: Dialect, table: &str) -> String {
    format!("{}.{}", dialect.temporary(), quoted(&dialect.name(&format!("_delta_{table}"))))
}

/// Empties it, once all that follows from the changes is there. Of PostgreSQL, it asks how many there were.
pub fn base_clear(dialect: Dialect, table: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("DELETE FROM {}", base_delta(dialect, table)),
        Dialect::Postgres => format!("SELECT {}()", clear(dialect, table)),
    }
}

fn clear(dialect: Dialect, table: &str) -> String {
    format!("{}.{}", dialect.temporary(), quoted(&dialect.name(&format!("_clear_{table}"))))
}

/// Notes every change of a base table as an old and a new row, whoever makes it on this connection.
///
/// In SQLite row by row; in PostgreSQL by statement, from the tables of old and new rows that it keeps for that. There what
/// notes the changes is there for every connection: one that does not keep views has no table for them, and cannot write.
pub fn base_triggers(dialect: Dialect, table: &str, columns: &[&catalog::Column]) -> Vec<String> {
    let types: Vec<Column> = columns
        .iter()
        .map(|column| Column::new(column.name.clone(), column.ty.into(), column.nullable))
        .collect();
    let delta = base_delta(dialect, table);
    let created = created(dialect, &delta, &types, true);
    let triggers = match dialect {
        Dialect::Sqlite => by_row(table, &types),
        Dialect::Postgres => by_statement(dialect, table, &types),
    };
    [created].into_iter().chain(triggers).collect()
}

/// Notes the changes of a base table no more.
pub fn base_untracked(dialect: Dialect, table: &str) -> Vec<String> {
    let delta = format!("DROP TABLE IF EXISTS {}", base_delta(dialect, table));
    let trigger = |event: &str| {
        let name = quoted(&dialect.name(&format!("_on_{event}_{table}")));
        match dialect {
            Dialect::Sqlite => format!("DROP TRIGGER IF EXISTS temp.{name}"),
            Dialect::Postgres => format!("DROP TRIGGER IF EXISTS {name} ON {}", quoted(table)),
        }
    };
    let triggers = ["insert", "delete", "update"].map(trigger).into_iter();
    let functions = [quoted(&dialect.name(&format!("_note_{table}"))), clear(dialect, table)]
        .map(|function| format!("DROP FUNCTION IF EXISTS {function}()"));
    let functions = functions.into_iter().filter(|_| dialect == Dialect::Postgres);
    triggers.chain([delta]).chain(functions).collect()
}

fn by_row(table: &str, types: &[Column]) -> Vec<String> {
    let bare = quoted(&format!("_delta_{table}"));
    let row = |which: &str, weight: i64| {
        let values = list(types, |column| format!("{which}.{}", quoted(&column.label)));
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
    vec![trigger("INSERT", row("NEW", 1)), trigger("DELETE", row("OLD", -1)), trigger("UPDATE", updated)]
}

fn by_statement(dialect: Dialect, table: &str, types: &[Column]) -> Vec<String> {
    let (delta, names) = (base_delta(dialect, table), labels(types));
    let function = quoted(&dialect.name(&format!("_note_{table}")));
    let rows = |which: &str, weight: i64| format!("SELECT {names}, {weight} FROM {which}");
    let noted = |rows: &str| format!("INSERT INTO {delta} {rows};");
    let updated = match Mutant::LostUpdate.is_on() {
        true => String::new(),
        false => noted(&format!("{} UNION ALL {}", rows("_old", -1), rows("_new", 1))),
    };
    let body = format!(
        "BEGIN IF TG_OP = 'INSERT' THEN {} ELSIF TG_OP = 'DELETE' THEN {} ELSE {updated} END IF; RETURN NULL; END",
        noted(&rows("_new", 1)),
        noted(&rows("_old", -1)),
    );
    let trigger = |event: &str, tables: &str| {
        let name = quoted(&dialect.name(&format!("_on_{}_{table}", event.to_lowercase())));
        format!(
            "CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {} REFERENCING {tables} \
             FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
            quoted(table)
        )
    };
    vec![
        format!(
            "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {}",
            super::routine::body(&body)
        ),
        format!(
            "CREATE OR REPLACE FUNCTION {}() RETURNS bigint LANGUAGE plpgsql AS {}",
            clear(dialect, table),
            super::routine::counted(&delta)
        ),
        trigger("INSERT", "NEW TABLE AS _new"),
        trigger("DELETE", "OLD TABLE AS _old"),
        trigger("UPDATE", "OLD TABLE AS _old NEW TABLE AS _new"),
    ]
}

impl Version {
    /// What a node is kept in, empty.
    pub fn create(&self, id: NodeId) -> Vec<String> {
        let node = self.node(id);
        let table = stored(self.number, id.0);
        match &node.operator {
            Operator::Rows(_) => kept(self.dialect, &table, &node.columns, &node.key),
            Operator::Ranks(ranks) => {
                let mut statements = kept(self.dialect, &table, &node.columns, &node.key);
                let columns: Vec<&Column> =
                    ranks.partition_columns.iter().map(|at| &node.columns[*at]).collect();
                let parts = self.dialect.indexed_parts(&columns);
                statements.push(format!("CREATE INDEX {table}_partition ON {table} ({parts})"));
                statements
            }
            Operator::Groups(groups) => self.create_groups(id, groups),
        }
    }

    fn create_groups(&self, id: NodeId, groups: &Groups) -> Vec<String> {
        let (dialect, table) = (self.dialect, stored(self.number, id.0));
        let columns = groups_columns(dialect, groups);
        let mut statements = kept(dialect, &table, &columns, &(0..groups.keys.len()).collect::<Vec<_>>());
        let rows = quoted(ROWS);
        // In PostgreSQL an index on what changes with every change of a group would make each of them dearer.
        if dialect == Dialect::Sqlite {
            statements.push(format!("CREATE INDEX {table}_empty ON {table} ({rows}) WHERE {rows} <= 0"));
        }
        if groups.whole {
            let nothing = list(&columns, |column| match column.label.as_str() {
                _ if column.nullable => "NULL".to_owned(),
                label if groups.keys.iter().any(|key| key.label == label) => "1".to_owned(),
                label => nothing(dialect, groups, label).to_owned(),
            });
            statements.push(format!("INSERT INTO {table} VALUES ({nothing})"));
        }
        let outputs = groups.outputs.iter().zip(&self.node(id).columns);
        let outputs = list(outputs, |(expr, column)| {
            let expr = &over_kept(dialect, groups, expr);
            let value = match dialect {
                Dialect::Sqlite => dialect.expression(expr),
                Dialect::Postgres => dialect.exact(expr, column.ty),
            };
            format!("{value} AS {}", quoted(&column.label))
        });
        let mut conditions: Vec<String> = groups
            .having
            .iter()
            .map(|having| dialect.condition(&over_kept(dialect, groups, having)))
            .collect();
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
        let create =
            |table: &str, columns: &[Column], weighed| created(self.dialect, table, columns, weighed);
        let mut statements = vec![create(&self.delta(&Input::Node(id)), &node.columns, true)];
        match &node.operator {
            Operator::Rows(_) => {}
            Operator::Groups(groups) => {
                let columns = groups_columns(self.dialect, groups);
                statements.push(create(&self.temporary('g', id), &columns, false));
                statements.extend(self.dialect.create_emptied());
            }
            Operator::Ranks(ranks) => {
                let columns: Vec<Column> =
                    ranks.partition_columns.iter().map(|at| node.columns[*at].clone()).collect();
                statements.push(create(&self.temporary('p', id), &columns, false));
            }
        }
        statements
    }

    /// Removes what is there for the time of a transaction, and what is run for changes of `tables`.
    pub fn drop_temporary<'t>(&self, tables: impl IntoIterator<Item = &'t String>) -> Vec<String> {
        let nodes = (0..self.plan.nodes.len()).map(NodeId);
        let kept = nodes.flat_map(|id| ['d', 'g', 'p', 'c', 'f'].map(|kind| self.temporary(kind, id)));
        let drop = kept.map(|table| format!("DROP TABLE IF EXISTS {table}"));
        drop.chain(self.drop_routines(tables)).collect()
    }
}

/// A table of the time of a transaction.
fn created(dialect: Dialect, table: &str, columns: &[Column], weighed: bool) -> String {
    let defined = list(columns, |column| {
        format!("{} {}{}", quoted(&column.label), dialect.storage(column.ty), dialect.collate(column.ty))
    });
    let weight = if weighed { format!(", {WEIGHT} {}", dialect.weight()) } else { String::new() };
    format!("CREATE TABLE {table} ({defined}{weight}){}", dialect.strict())
}

/// All that is kept of a group.
pub(super) fn groups_columns(dialect: Dialect, groups: &Groups) -> Vec<Column> {
    let mut columns = groups.keys.clone();
    columns.push(Column::new(ROWS, Ty::Bigint, false));
    for feed in &groups.feeds {
        columns.extend(feed.sums.iter().flat_map(|sum| measured(dialect, sum)));
        columns.extend(feed.lookups.iter().map(|lookup| Column::new(lookup.label.clone(), lookup.ty, true)));
    }
    columns
}

/// A table by its key. In SQLite without a rowid, where a look-up is one descent, but documents would fill the inner nodes;
/// NULLs cannot be part of it.
fn kept(dialect: Dialect, table: &str, columns: &[Column], key: &[usize]) -> Vec<String> {
    let parts: Vec<&Column> = key.iter().map(|at| &columns[*at]).collect();
    let (definitions, strict) = (typed(dialect, columns, key), dialect.strict());
    if parts.iter().any(|column| column.nullable) {
        let parts = dialect.indexed_parts(&parts);
        return vec![
            format!("CREATE TABLE {table} ({definitions}){strict}"),
            format!("CREATE UNIQUE INDEX {table}_key ON {table} ({parts})"),
        ];
    }
    let documents = columns.iter().any(|column| matches!(column.ty, Some(Ty::Jsonb | Ty::Bytea)));
    let integer = matches!(parts[..], [part] if dialect.storage(part.ty) == "INTEGER");
    let rowid = if documents || integer || dialect == Dialect::Postgres { "" } else { ", WITHOUT ROWID" };
    vec![format!(
        "CREATE TABLE {table} ({definitions}, PRIMARY KEY ({})){strict}{rowid}",
        labels(parts.iter().copied())
    )]
}

fn typed(dialect: Dialect, columns: &[Column], key: &[usize]) -> String {
    let columns = columns.iter().enumerate();
    list(columns, |(at, column)| {
        let part = key.contains(&at);
        let null = if part && !column.nullable { " NOT NULL" } else { "" };
        let collation = if part { dialect.collate(column.ty) } else { String::new() };
        format!("{} {}{null}{collation}", quoted(&column.label), dialect.storage(column.ty))
    })
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
    let dialect = version.dialect;
    let name = dialect.name(&name);
    let parts = list(&columns, |column| dialect.indexed(&dialect.ordered(&quoted(&column.label), column)));
    let text = format!("CREATE INDEX {} ON {table} ({parts})", quoted(&name));
    Some(IndexStatement { name, table: table.trim_matches('"').to_owned(), text })
}
