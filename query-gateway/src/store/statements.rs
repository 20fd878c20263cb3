//! The SQL of base and staging tables. Names in it come from a learned schema, which admits plain ones only;
//! values are always bound.

mod postgres;
mod sqlite;

use std::{collections::HashMap, sync::Arc};

use crate::{
    catalog::{Column, Kind, Relation, Type},
    database::Dialect,
    schema::Table,
};

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
const CHANGE: [(&str, Type, &str); 2] =
    [("_event", Type::Text, " NOT NULL DEFAULT ''"), ("_commit_time", Type::Bigint, "")];

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
        dialect: Dialect,
        verb: Verb,
        place: Place,
        table: &Table,
        key: &[String],
        count: usize,
    ) -> Arc<str> {
        let name = place.table(table.name());
        // On PostgreSQL one text is for any number of rows.
        let count = if dialect == Dialect::Sqlite { count } else { 0 };
        let made = self.0.entry((verb, name.clone(), count)).or_insert_with(|| {
            let columns = all_columns(&table.relation);
            match dialect {
                Dialect::Sqlite => sqlite::text(&name, verb, key, &columns, count).into(),
                Dialect::Postgres => postgres::text(&name, verb, key, &columns).into(),
            }
        });
        made.clone()
    }

    /// Forgets the texts: columns may have changed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Splits `count` rows of `width` values into statements.
pub(super) fn chunks(dialect: Dialect, mut count: usize, width: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let size = match dialect {
            Dialect::Sqlite => {
                sqlite::SIZES.into_iter().find(|size| *size <= count && size * width <= sqlite::MAX_VALUES)?
            }
            Dialect::Postgres if count > 0 => count.min(postgres::MOST_ROWS),
            Dialect::Postgres => return None,
        };
        count -= size;
        Some(size)
    })
}

/// Creates a table.
pub(super) fn create(dialect: Dialect, place: Place, table: &Table) -> String {
    let columns: Vec<_> = table.columns().iter().map(|known| column(dialect, known)).collect();
    let own: String =
        of_change(dialect, &table.relation).map(|(name, ty)| format!(", \"{name}\" {ty}")).collect();
    let (kind, options) = match dialect {
        Dialect::Sqlite => ("TABLE", sqlite::options(table)),
        // What is staged is nothing once the server has crashed: it is begun again.
        Dialect::Postgres if place == Place::Staging => ("UNLOGGED TABLE", ""),
        Dialect::Postgres => ("TABLE", ""),
    };
    format!(
        "CREATE {kind} {} ({}, \"_sequence\" {} NOT NULL, \"_trace\" TEXT NOT NULL{own}, PRIMARY KEY ({})){options}",
        place.table(table.name()),
        columns.join(", "),
        storage(dialect, Type::Bigint),
        list(&table.relation.key),
    )
}

/// Adds to a base table that an earlier version made what that did not keep of the changes.
pub(super) fn add_change(dialect: Dialect, table: &Table) -> impl Iterator<Item = String> {
    let name = Place::Base.table(table.name());
    of_change(dialect, &table.relation)
        .map(move |(column, ty)| format!("ALTER TABLE {name} ADD COLUMN \"{column}\" {ty}"))
}

/// What a table keeps of changes; nothing if it is that of a child.
fn of_change(dialect: Dialect, relation: &Relation) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let defined = move |((name, ty, rule), _)| (name, format!("{}{rule}", storage(dialect, ty)));
    CHANGE.into_iter().zip(changes(relation)).map(defined)
}

/// Removes a table if it is there. Views that users read it by stay on SQLite, and come anew with the table on PostgreSQL.
pub(super) fn drop(dialect: Dialect, place: Place, name: &str) -> String {
    let readers = if dialect == Dialect::Postgres { " CASCADE" } else { "" };
    format!("DROP TABLE IF EXISTS {}{readers}", place.table(name))
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
    // Of a key no part is NULL: by what is equal, both databases find the row.
    let key: Vec<_> = relation.key.iter().map(|name| quote(name)).collect();
    let others = columns[..told].iter().filter(|column| !key.contains(column)).cloned();
    let same = [matching(key.iter().cloned(), "="), matching(others, "IS NOT DISTINCT FROM")].join(" AND ");
    let key = key.join(", ");
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
    let told = changes(relation).chain(["_trace"]).map(quote);
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

/// Adds rows as they come, on PostgreSQL alone.
pub(super) fn copy(place: Place, table: &Table) -> String {
    let columns = all_columns(&table.relation).join(", ");
    format!("COPY {} ({columns}) FROM STDIN (FORMAT binary)", place.table(table.name()))
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

fn column(dialect: Dialect, column: &Column) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    format!("{} {}{null}", quote(&column.name), storage(dialect, column.ty))
}

/// How a type is stored.
pub(crate) fn storage(dialect: Dialect, ty: Type) -> &'static str {
    match dialect {
        Dialect::Sqlite => sqlite::storage(ty),
        Dialect::Postgres => postgres::storage(ty),
    }
}

/// Names of the columns in which a table keeps what is told of changes.
fn changes(relation: &Relation) -> impl Iterator<Item = &'static str> + use<> {
    let child = matches!(relation.kind, Kind::Base { parent: Some(_), .. });
    CHANGE.into_iter().filter(move |_| !child).map(|(name, ..)| name)
}

/// Types of the columns that are ours, in their order.
pub(super) fn own_types(relation: &Relation) -> Vec<Type> {
    let of_change = CHANGE.into_iter().zip(changes(relation)).map(|((_, ty, _), _)| ty);
    [Type::Bigint, Type::Text].into_iter().chain(of_change).collect()
}

fn all_columns(relation: &Relation) -> Vec<String> {
    let ours = WRITER.into_iter().chain(changes(relation)).map(quote);
    relation.columns.iter().map(|column| quote(&column.name)).chain(ours).collect()
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
            let text = create(Dialect::Sqlite, Place::Base, table);
            sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        }
        for entity in &schema.entities {
            let key = &entity.tables[0].relation.key;
            for (table, count) in
                entity.tables.iter().flat_map(|table| sqlite::SIZES.map(|count| (table, count)))
            {
                for verb in [Verb::Delete, Verb::Sequences] {
                    let text = statements.get(Dialect::Sqlite, verb, Place::Base, table, key, count);
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
        assert_eq!(chunks(Dialect::Sqlite, 300, 3).collect::<Vec<_>>(), [128, 128, 32, 8, 2, 2]);
        // 128 rows would be more values than one statement can bind.
        assert_eq!(chunks(Dialect::Sqlite, 33, 1_000).collect::<Vec<_>>(), [32, 1]);
        assert_eq!(chunks(Dialect::Sqlite, 0, 3).count(), 0);
        assert_eq!(chunks(Dialect::Postgres, 12_000, 1_000).collect::<Vec<_>>(), [10_000, 2_000]);
    }
}
