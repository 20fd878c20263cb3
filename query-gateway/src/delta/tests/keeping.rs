//! Views that are kept over the tables of the library, whose rows are drawn.

use rand::{Rng as _, rngs::StdRng};
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteRow};
use tempfile::TempDir;

use super::library::{Views, tables};
use crate::{
    catalog::{Column, Relation, Type},
    delta::statements::Version,
    sql::{self, ViewDefinition},
    store::{Fill, Store, indexes},
};

/// Values of each column: few, so that many meet again.
const VALUES: u32 = 4;

pub(super) struct Keeping {
    pub(super) store: Store,
    pub(super) views: Views,
    definitions: Vec<ViewDefinition>,
    fill: Option<Fill>,
    _folder: TempDir,
}

impl Keeping {
    /// With empty tables, and views of which nothing is filled.
    pub(super) async fn of(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let views = Views::of(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let mut writing = store.write().await;
        let mut kept = writing.maintained.clone();
        let mut tx = writing.connection.begin().await.unwrap();
        execute(tx.as_sqlite(), tables().iter().map(create)).await;
        for (name, version) in &views.versions {
            kept.add(&mut tx, (name, name), version.clone(), false).await.unwrap();
            let result = format!("CREATE VIEW {name} AS SELECT * FROM {}", version.result());
            execute(tx.as_sqlite(), [result]).await;
        }
        kept.track(&mut tx, &views.catalog).await.unwrap();
        indexes::reconcile(&mut tx, &kept, Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        writing.maintained = kept;
        drop(writing);
        let definitions = sql::parse_views(text).unwrap().views;
        Self { store, views, definitions, fill: None, _folder: folder }
    }

    /// One transaction's worth of filling, of `size` rows; whether everything is filled.
    pub(super) async fn fill(&mut self, size: usize) -> bool {
        let mut writing = self.store.write().await;
        let Some(number) = writing.maintained.open() else { return true };
        let fill = match &mut self.fill {
            Some(fill) if fill.number() == number => fill,
            other => other.insert(Fill::new(number, size)),
        };
        fill.set_size(size);
        fill.step(&mut writing).await.unwrap();
        writing.maintained.open().is_none()
    }

    /// Puts a row into one of the tables in place of the one with its key, or removes that.
    pub(super) async fn change(&mut self, random: &mut StdRng) {
        let tables = tables();
        let table = &tables[random.random_range(0..tables.len())];
        let row: Vec<String> = table.columns.iter().map(|column| value(random, column)).collect();
        let named = table.columns.iter().zip(&row);
        let key = named.filter(|(column, _)| table.key.contains(&column.name));
        let key: Vec<String> = key.map(|(column, value)| format!("{} = {value}", column.name)).collect();
        let mut statements = vec![format!("DELETE FROM {} WHERE {}", table.name, key.join(" AND "))];
        if random.random_range(0..4) > 0 {
            statements.push(format!("INSERT INTO {} VALUES ({})", table.name, row.join(", ")));
        }
        let mut writing = self.store.write().await;
        let mut kept = writing.maintained.clone();
        let mut tx = writing.connection.begin().await.unwrap();
        execute(tx.as_sqlite(), statements).await;
        kept.propagate(&mut tx, &table.name).await.unwrap();
        tx.commit().await.unwrap();
        writing.maintained = kept;
    }

    /// What each view holds, and what its text gives now.
    pub(super) async fn compared(&mut self) -> Vec<(String, Vec<String>, Vec<String>)> {
        let mut writing = self.store.write().await;
        let mut compared = Vec::new();
        for definition in &self.definitions {
            let computed = sql::compile_view(definition, &self.views.catalog).unwrap();
            let names = computed.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
            let kept = format!("SELECT {} FROM {}", names.join(", "), definition.name);
            let kept = rows(writing.as_sqlite(), kept, names.len()).await;
            let computed = rows(writing.as_sqlite(), computed.text, names.len()).await;
            compared.push((definition.select_sql.clone(), kept, computed));
        }
        compared
    }

    /// Every statement that is run for a change of any table, once all is filled.
    pub(super) async fn statements(&self) -> Vec<String> {
        let writing = self.store.write().await;
        let mut statements = Vec::new();
        for kept in writing.maintained.versions() {
            let version: &Version = &kept.version;
            for table in tables() {
                let moved = |_: &str| true;
                statements.extend(version.program(&table.name, &moved, &kept.progress, true));
            }
        }
        statements
    }
}

async fn execute(connection: &mut SqliteConnection, statements: impl IntoIterator<Item = String>) {
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
    }
}

/// As text, in order.
async fn rows(connection: &mut SqliteConnection, text: String, width: usize) -> Vec<String> {
    let values: Vec<String> = (0..width).map(|at| format!("quote(c{at})")).collect();
    let columns: Vec<String> = (0..width).map(|at| format!("c{at}")).collect();
    let text =
        format!("WITH r ({}) AS ({text}) SELECT {} FROM r", columns.join(", "), values.join(" || ' ' || "));
    let rows: Vec<SqliteRow> = sqlx::query(AssertSqlSafe(text)).fetch_all(connection).await.unwrap();
    let mut rows: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    rows.sort();
    rows
}

fn value(random: &mut StdRng, column: &Column) -> String {
    let n = random.random_range(0..VALUES);
    if column.nullable && n == 0 {
        return "NULL".to_owned();
    }
    match column.ty {
        // One of them is empty, and capitals come before all others.
        Type::Text => ["''", "'a'", "'B'", "'ab'"][n as usize].to_owned(),
        Type::Bytea => ["x''", "x'00'", "x'ff'", "x'00ff'"][n as usize].to_owned(),
        Type::Bigint | Type::Timestamptz => n.to_string(),
        Type::Bool => (n % 2).to_string(),
        Type::Double => format!("{n}.5"),
        Type::Jsonb => format!("'{{\"n\":{n}}}'"),
        Type::Numeric | Type::Interval => panic!("no column is of it"),
    }
}

fn create(table: &Relation) -> String {
    let column = |column: &Column| {
        let storage = match column.ty {
            Type::Bool | Type::Bigint | Type::Timestamptz => "INTEGER",
            Type::Double => "REAL",
            Type::Bytea => "BLOB",
            Type::Numeric | Type::Text | Type::Interval | Type::Jsonb => "TEXT",
        };
        format!("{} {storage}{}", column.name, if column.nullable { "" } else { " NOT NULL" })
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let (columns, key) = (columns.join(", "), table.key.join(", "));
    format!("CREATE TABLE {} ({columns}, PRIMARY KEY ({key})) STRICT, WITHOUT ROWID", table.name)
}
