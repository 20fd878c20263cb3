//! The SQL of base and staging tables. Names in it come from a learned schema, which admits plain ones only;
//! values are always bound.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use crate::{
    catalog::{Column, Kind, Relation, Type},
    schema::Table,
};

/// Rows per statement: few texts per table, so that all stay prepared, and at most a handful of calls for
/// any number of rows. Beyond about a hundred nothing is gained.
const SIZES: [usize; 5] = [128, 32, 8, 2, 1];

/// SQLite's limit of bound values in one statement.
const MAX_VALUES: usize = 32_766;

/// Where rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// The tables that queries read.
    Base,
    /// A snapshot that is not complete.
    Staging,
}

impl Place {
    /// The name of a table there, quoted.
    pub(super) fn table(self, name: &str) -> String {
        match self {
            Place::Base => quote(name),
            Place::Staging => quote(&format!("{STAGING}{name}")),
        }
    }
}

/// In front of the name of a staging table.
pub(super) const STAGING: &str = "_staging_";

/// Columns of ours that every table ends with: which change wrote the row.
const WRITER: [&str; 2] = ["_sequence", "_trace"];

/// And behind them, on an entity's own table, what is told of that change. The rows of its children are of the same change,
/// so that these find it by the entity's key.
const CHANGE: [(&str, &str); 2] = [("_event", "TEXT NOT NULL DEFAULT ''"), ("_commit_time", "INTEGER")];

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verb {
    /// Removes all rows of some entities, by the key of the entity.
    Delete,
    /// Adds rows.
    Insert,
    /// The sequences of some entities.
    Sequences,
}

/// Texts that were made before.
#[derive(Debug, Default)]
pub(super) struct Statements(HashMap<(Verb, String, usize), Arc<str>>);

impl Statements {
    /// The text for `count` rows or keys. `key` names the columns of the entity's key.
    pub(super) fn get(
        &mut self,
        verb: Verb,
        place: Place,
        table: &Table,
        key: &[String],
        count: usize,
    ) -> Arc<str> {
        let name = place.table(table.name());
        let text = self.0.entry((verb, name.clone(), count)).or_insert_with(|| {
            match verb {
                Verb::Delete => format!("DELETE FROM {name} WHERE {}", among(key, count)),
                Verb::Sequences => {
                    format!("SELECT {}, \"_sequence\" FROM {name} WHERE {}", list(key), among(key, count))
                }
                Verb::Insert => {
                    let columns = all_columns(&table.relation);
                    let (names, width) = (columns.join(", "), columns.len());
                    format!("INSERT INTO {name} ({names}) VALUES {}", tuples(width, count))
                }
            }
            .into()
        });
        text.clone()
    }

    /// Forgets the texts: columns may have changed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Splits `count` rows of `width` values into statements.
pub(super) fn chunks(mut count: usize, width: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= count && size * width <= MAX_VALUES)?;
        count -= size;
        Some(size)
    })
}

/// How many values a row has.
pub(super) fn width(table: &Table) -> usize {
    all_columns(&table.relation).len()
}

/// Creates a table.
///
/// Without a rowid, a look-up by key is one descent and not two. A key that is one integer is the rowid
/// itself; and documents would fill the inner nodes of a tree that has no rowid.
pub(super) fn create(place: Place, table: &Table) -> String {
    let columns: Vec<_> = table.columns().iter().map(column).collect();
    let documents = table.columns().iter().any(|column| matches!(column.ty, Type::Jsonb | Type::Bytea));
    let integer = matches!(table.key[..], [slot] if storage(table.columns()[slot].ty) == "INTEGER");
    let rowid = if documents || integer { "" } else { ", WITHOUT ROWID" };
    let own: String = of_change(&table.relation).map(|(name, ty)| format!(", \"{name}\" {ty}")).collect();
    format!(
        "CREATE TABLE {} ({}, \"_sequence\" INTEGER NOT NULL, \"_trace\" TEXT NOT NULL{own}, PRIMARY KEY ({})) STRICT{rowid}",
        place.table(table.name()),
        columns.join(", "),
        list(&table.relation.key),
    )
}

/// Adds to a base table that an earlier version made what that did not keep of the changes.
pub(super) fn add_change(table: &Table) -> impl Iterator<Item = String> {
    let name = Place::Base.table(table.name());
    of_change(&table.relation)
        .map(move |(column, ty)| format!("ALTER TABLE {name} ADD COLUMN \"{column}\" {ty}"))
}

/// What a table keeps of changes; nothing if it is that of a child.
fn of_change(relation: &Relation) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let child = matches!(relation.kind, Kind::Base { parent: Some(_), .. });
    CHANGE.into_iter().filter(move |_| !child)
}

/// Removes a table if it is there.
pub(super) fn drop(place: Place, name: &str) -> String {
    format!("DROP TABLE IF EXISTS {}", place.table(name))
}

/// Removes from the base table what the staging table does not have.
pub(super) fn remove_vanished(relation: &Relation) -> String {
    let (base, staging) = (Place::Base.table(&relation.name), Place::Staging.table(&relation.name));
    let same = matching(relation.key.iter().map(|name| quote(name)), "=");
    format!("DELETE FROM {base} AS b WHERE NOT EXISTS (SELECT 1 FROM {staging} AS s WHERE {same})")
}

/// Writes into the base table what the staging table, which has all its columns, has otherwise. In the `same_history` a row
/// of the same sequence is of the same change, of which the base table may know more: a snapshot does not tell events.
pub(super) fn upsert_changed(relation: &Relation, same_history: bool) -> String {
    let (base, staging) = (Place::Base.table(&relation.name), Place::Staging.table(&relation.name));
    let columns = all_columns(relation);
    let told = if same_history { relation.columns.len() + 1 } else { columns.len() };
    let same = matching(columns[..told].iter().cloned(), "IS");
    let key = list(&relation.key);
    let sets: Vec<_> = columns.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let (names, sets) = (columns.join(", "), sets.join(", "));
    format!(
        "INSERT INTO {base} ({names}) SELECT {names} FROM {staging} AS s \
         WHERE NOT EXISTS (SELECT 1 FROM {base} AS b WHERE {same}) ON CONFLICT ({key}) DO UPDATE SET {sets}"
    )
}

/// Notes in the staging table what the base table knows of the changes that wrote its rows, which are by now those of the
/// staging table.
pub(super) fn carry_change(relation: &Relation) -> String {
    let (base, staging) = (Place::Base.table(&relation.name), Place::Staging.table(&relation.name));
    let told = of_change(relation).map(|(name, _)| name).chain(["_trace"]).map(quote);
    let sets: Vec<_> = told.map(|name| format!("{name} = b.{name}")).collect();
    let same = matching(relation.key.iter().map(|name| quote(name)), "=");
    format!("UPDATE {staging} AS s SET {} FROM {base} AS b WHERE {same}", sets.join(", "))
}

/// Writes into the base table, which is empty, all that the staging table has.
pub(super) fn fill(relation: &Relation) -> String {
    let (base, staging) = (Place::Base.table(&relation.name), Place::Staging.table(&relation.name));
    let names = all_columns(relation).join(", ");
    format!("INSERT INTO {base} ({names}) SELECT {names} FROM {staging}")
}

/// Notes how many rows a base table has: `$1` is its name, `$2` its source.
pub(super) fn count(table: &Table) -> String {
    let base = Place::Base.table(table.name());
    format!("INSERT INTO _tables (name, source, rows) SELECT $1, $2, COUNT(*) FROM {base}")
}

fn matching(columns: impl Iterator<Item = String>, operator: &str) -> String {
    let terms: Vec<_> = columns.map(|name| format!("s.{name} {operator} b.{name}")).collect();
    terms.join(" AND ")
}

fn column(column: &Column) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    format!("{} {}{null}", quote(&column.name), storage(column.ty))
}

/// How a type is stored. Numeric and interval arise in expressions alone.
fn storage(ty: Type) -> &'static str {
    match ty {
        Type::Bool | Type::Bigint | Type::Timestamptz => "INTEGER",
        Type::Double => "REAL",
        Type::Bytea => "BLOB",
        Type::Text | Type::Jsonb | Type::Numeric | Type::Interval => "TEXT",
    }
}

fn all_columns(relation: &Relation) -> Vec<String> {
    let columns = relation.columns.iter().map(|column| column.name.as_str());
    columns.chain(WRITER).chain(of_change(relation).map(|(name, _)| name)).map(quote).collect()
}

/// Whether the key is one of `count` bound ones. Written so that SQLite searches for each: given pairs in a list
/// of values, it would scan the table.
fn among(key: &[String], count: usize) -> String {
    match key {
        [one] => format!("{} IN ({})", quote(one), vec!["?"; count].join(", ")),
        many => {
            let parts: Vec<_> = many.iter().map(|name| format!("{} = ?", quote(name))).collect();
            vec![format!("({})", parts.join(" AND ")); count].join(" OR ")
        }
    }
}

fn tuples(width: usize, count: usize) -> String {
    let tuple = format!("({})", vec!["?"; width].join(", "));
    let mut text = String::with_capacity(count * (tuple.len() + 2));
    for n in 0..count {
        // A write into a string cannot fail.
        let _ = write!(text, "{}{tuple}", if n == 0 { "" } else { ", " });
    }
    text
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;
    use crate::schema::fixture::{LIBRARY, publish};

    #[tokio::test]
    async fn no_statement_scans_a_table_for_a_few_keys() {
        let schema = publish(LIBRARY).schema().unwrap();
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let mut statements = Statements::default();
        for table in schema.tables() {
            let text = create(Place::Base, table);
            sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        }
        for entity in &schema.entities {
            let key = &entity.tables[0].relation.key;
            for (table, count) in entity.tables.iter().flat_map(|table| SIZES.map(|count| (table, count))) {
                for verb in [Verb::Delete, Verb::Sequences] {
                    let text = statements.get(verb, Place::Base, table, key, count);
                    let plan: Vec<(i64, i64, i64, String)> =
                        sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")))
                            .fetch_all(&mut connection)
                            .await
                            .unwrap();
                    assert!(plan.iter().all(|step| !step.3.starts_with("SCAN")), "{text}\n{plan:?}");
                }
            }
        }
    }

    #[test]
    fn rows_are_cut_into_few_sizes() {
        assert_eq!(chunks(300, 3).collect::<Vec<_>>(), [128, 128, 32, 8, 2, 2]);
        // 128 rows would be more values than one statement can bind.
        assert_eq!(chunks(33, 1_000).collect::<Vec<_>>(), [32, 1]);
        assert_eq!(chunks(0, 3).count(), 0);
    }
}
