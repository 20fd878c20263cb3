//! From rows of base tables to the changes that wrote them: one statement, whose rows are of different kinds.

use std::sync::Arc;

use super::trace::{Graph, Trace};
use crate::{
    catalog::{Catalog, Column, Kind, Relation, Type},
    delta::statements::part,
    sql::{Dialect, text::quoted},
};

/// How many rows are explained.
pub(super) const ROWS: i64 = 0;
/// How many rows of a table they follow from.
pub(super) const TABLE: i64 = 1;
/// How many changes of an entity wrote these.
pub(super) const ENTITY: i64 = 2;
/// One of those changes.
pub(super) const CHANGE: i64 = 3;

/// In front of the values of entities: the kind, which table or entity, a count or a sequence, trace, event, and commit time.
/// Each entity has places of its own, so that every place has values of one type: a key, and for each table how many rows.
const FIRST_VALUE: usize = 6;

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
    /// Where its values begin.
    pub(super) first_value: usize,
    /// Its own table, which tells of the changes.
    own: String,
    /// Its tables of which rows are named, each with the query that has their keys.
    pub(super) tables: Vec<(String, String)>,
}

impl Statement {
    pub(super) fn new(graph: &Graph, trace: &Trace) -> Self {
        let (dialect, entities) = (graph.catalog.dialect, entities(&graph.catalog, trace));
        let types: Vec<Type> = entities.iter().flat_map(Entity::types).collect();
        let mut queries = trace.queries.clone();
        queries.extend(entities.iter().enumerate().map(|(at, entity)| entity.query(at)));
        let nulls = [Type::Text, Type::Text, Type::Bigint].iter().chain(&types);
        let nulls: String = nulls.map(|ty| format!(", {}", dialect.null(*ty))).collect();
        let count = |kind: i64, at: usize, query: &str| {
            format!("SELECT {}, {}, COUNT(*){nulls} FROM {query}", number(kind), number(at as i64))
        };
        let tables = trace.tables.values().enumerate();
        let mut selects = vec![count(ROWS, 0, &trace.root)];
        selects.extend(tables.map(|(at, query)| count(TABLE, at, query)));
        selects.extend((0..entities.len()).map(|at| count(ENTITY, at, &changes(at))));
        let newest: Vec<String> =
            entities.iter().enumerate().map(|(at, entity)| entity.select(dialect, at, &types)).collect();
        if !newest.is_empty() {
            let newest = newest.join(" UNION ALL ");
            let newest = format!("{newest} ORDER BY 6 DESC NULLS LAST, 3 DESC, 2 LIMIT $1");
            selects.push(format!("SELECT * FROM {}", dialect.unnamed(&newest)));
        }
        let text = format!("WITH {} {}", queries.join(", "), selects.join(" UNION ALL "));
        Self { text, tables: trace.tables.keys().cloned().collect(), entities }
    }
}

/// As a bigint, for both databases.
fn number(number: i64) -> String {
    format!("CAST({number} AS BIGINT)")
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

    /// Of its values.
    fn types(&self) -> impl Iterator<Item = Type> {
        let key = self.key.iter().map(|column| column.ty);
        key.chain(self.tables.iter().map(|_| Type::Bigint))
    }

    /// Among values of `types`, of which all but its own are none.
    fn select(&self, dialect: Dialect, at: usize, types: &[Type]) -> String {
        let parts = self.key_parts();
        let on = parts.iter().zip(&self.key);
        let on: Vec<String> =
            on.map(|(part, column)| format!("e.{} = c.{part}", quoted(&column.name))).collect();
        let key = self.key.iter().map(|column| format!("e.{}", quoted(&column.name)));
        let counts = (0..self.tables.len()).map(|place| format!("c.n{place}"));
        let (before, behind) = types.split_at(self.first_value - FIRST_VALUE);
        let behind = &behind[self.types().count()..];
        let null = |ty: &Type| dialect.null(*ty);
        let values: Vec<String> =
            before.iter().map(null).chain(key).chain(counts).chain(behind.iter().map(null)).collect();
        // SQLite looks up what is on the right of a CROSS JOIN, which in PostgreSQL has no condition.
        let join = if dialect == Dialect::Sqlite { "CROSS JOIN" } else { "JOIN" };
        format!(
            "SELECT {}, {}, e.\"_sequence\", e.\"_trace\", e.\"_event\", e.\"_commit_time\", {} \
             FROM {} AS c {join} {} AS e ON {}",
            number(CHANGE),
            number(at as i64),
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
                entities.push(Entity { source, name, key, first_value: 0, own, tables: vec![tables] });
            }
        }
    }
    let mut first_value = FIRST_VALUE;
    for entity in &mut entities {
        entity.first_value = first_value;
        first_value += entity.types().count();
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
