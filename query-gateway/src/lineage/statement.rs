//! From rows of base tables to the changes that wrote them: one statement, whose rows are of different kinds.

use std::sync::Arc;

use super::trace::{Graph, Trace};
use crate::{
    catalog::{Catalog, Column, Kind, Relation},
    delta::statements::part,
    sql::sqlite::quoted,
};

/// How many rows are explained.
pub(super) const ROWS: i64 = 0;
/// How many rows of a table they follow from.
pub(super) const TABLE: i64 = 1;
/// How many changes of an entity wrote these.
pub(super) const ENTITY: i64 = 2;
/// One of those changes.
pub(super) const CHANGE: i64 = 3;

/// In front of the values that differ from kind to kind: the kind, which table or entity, a count or a sequence, trace,
/// event, and commit time.
pub(super) const FIRST_VALUE: usize = 6;

/// What is asked, and by which its rows are to be read. Its only parameter is how many changes are wanted.
pub(super) struct Statement {
    pub(super) text: String,
    /// Base tables, in the order of their numbers.
    pub(super) tables: Vec<String>,
    /// Entities, in the order of theirs.
    pub(super) entities: Vec<Entity>,
}

/// An entity some of whose rows are named.
pub(super) struct Entity {
    /// As given by `--source`.
    pub(super) source: String,
    /// As changes name it.
    pub(super) name: String,
    /// The columns of its key.
    pub(super) key: Vec<Column>,
    /// Its own table, which tells of the changes.
    own: String,
    /// Its tables of which rows are named, each with the query that has their keys.
    pub(super) tables: Vec<(String, String)>,
}

impl Statement {
    pub(super) fn new(graph: &Graph, trace: &Trace) -> Self {
        let entities = entities(&graph.catalog, trace);
        let width =
            entities.iter().map(|entity| entity.key.len() + entity.tables.len()).max().unwrap_or_default();
        let mut queries = trace.queries.clone();
        queries.extend(entities.iter().enumerate().map(|(at, entity)| entity.query(at)));
        let count = |kind: i64, at: usize, query: &str| {
            format!("SELECT {kind}, {at}, COUNT(*), NULL, NULL, NULL{} FROM {query}", ", NULL".repeat(width))
        };
        let tables = trace.tables.values().enumerate();
        let mut selects = vec![count(ROWS, 0, &trace.root)];
        selects.extend(tables.map(|(at, query)| count(TABLE, at, query)));
        selects.extend((0..entities.len()).map(|at| count(ENTITY, at, &changes(at))));
        let newest: Vec<String> =
            entities.iter().enumerate().map(|(at, entity)| entity.select(at, width)).collect();
        if !newest.is_empty() {
            selects.push(format!(
                "SELECT * FROM ({} ORDER BY 6 DESC, 3 DESC, 2 LIMIT $1)",
                newest.join(" UNION ALL ")
            ));
        }
        let text = format!("WITH {} {}", queries.join(", "), selects.join(" UNION ALL "));
        Self { text, tables: trace.tables.keys().cloned().collect(), entities }
    }
}

/// The query of the changes of an entity: its key, and how many rows of each of its tables.
fn changes(at: usize) -> String {
    format!("_changes_{at}")
}

impl Entity {
    fn key_parts(&self) -> Vec<String> {
        (0..self.key.len()).map(part).collect()
    }

    /// The key of a child begins with that of the entity.
    fn query(&self, at: usize) -> String {
        let key = self.key_parts().join(", ");
        let selects = self.tables.iter().enumerate().map(|(place, (_, query))| {
            let counts: Vec<&str> =
                (0..self.tables.len()).map(|other| if other == place { "1" } else { "0" }).collect();
            format!("SELECT {key}, {} FROM {query}", counts.join(", "))
        });
        let selects: Vec<String> = selects.collect();
        let counts: Vec<String> = (0..self.tables.len()).map(|place| format!("n{place}")).collect();
        let sums: Vec<String> = counts.iter().map(|count| format!("SUM({count})")).collect();
        let (name, columns) = (changes(at), format!("{key}, {}", counts.join(", ")));
        format!(
            "{name} ({columns}) AS MATERIALIZED (WITH every ({columns}) AS ({}) SELECT {key}, {} FROM every GROUP BY {key})",
            selects.join(" UNION ALL "),
            sums.join(", ")
        )
    }

    fn select(&self, at: usize, width: usize) -> String {
        let parts = self.key_parts();
        let on = parts.iter().zip(&self.key);
        let on: Vec<String> =
            on.map(|(part, column)| format!("e.{} = c.{part}", quoted(&column.name))).collect();
        let key = self.key.iter().map(|column| format!("e.{}", quoted(&column.name)));
        let counts = (0..self.tables.len()).map(|place| format!("c.n{place}"));
        let missing = width - self.key.len() - self.tables.len();
        let values: Vec<String> =
            key.chain(counts).chain(std::iter::repeat_n("NULL".to_owned(), missing)).collect();
        format!(
            "SELECT {CHANGE}, {at}, e.\"_sequence\", e.\"_trace\", e.\"_event\", e.\"_commit_time\", {} \
             FROM {} AS c CROSS JOIN {} AS e ON {}",
            values.join(", "),
            changes(at),
            quoted(&self.own),
            on.join(" AND ")
        )
    }
}

fn entities(catalog: &Catalog, trace: &Trace) -> Vec<Entity> {
    let mut entities: Vec<Entity> = Vec::new();
    for (table, query) in &trace.tables {
        let Some(Kind::Base { source, entity, .. }) = catalog.get(table).map(|relation| &relation.kind)
        else {
            continue;
        };
        let known = entities.iter_mut().find(|known| (&known.source, &known.name) == (source, entity));
        let tables = (table.clone(), query.clone());
        match known {
            Some(known) => known.tables.push(tables),
            None => {
                let Some(own) = own_table(catalog, source, entity) else { continue };
                let key = own.key_columns().map(|(column, _)| column.clone()).collect();
                let (source, name, own) = (source.clone(), entity.clone(), own.name.clone());
                entities.push(Entity { source, name, key, own, tables: vec![tables] });
            }
        }
    }
    entities
}

fn own_table<'c>(catalog: &'c Catalog, source: &str, entity: &str) -> Option<&'c Arc<Relation>> {
    let is_own = |relation: &&Arc<Relation>| match &relation.kind {
        Kind::Base { source: of, entity: known, parent: None } => {
            (of.as_str(), known.as_str()) == (source, entity)
        }
        _ => false,
    };
    catalog.relations.values().find(is_own)
}
