//! Views that are kept over the tables of the library, whose rows are drawn, in either store.

use rand::{Rng as _, rngs::StdRng};

use super::library::{Views, tables};
use crate::{
    catalog::{Column, Relation, Type},
    database::Connection,
    delta::statements::Version,
    sql::{self, Dialect, ViewDefinition, relational::SourceId, text::quoted},
    store::{
        Fill, Store, indexes, storage,
        tests::place::{Engine, Place},
    },
};

/// Values of each column: few, so that many meet again.
const VALUES: u32 = 4;

pub(super) struct Keeping {
    pub(super) store: Store,
    pub(super) views: Views,
    definitions: Vec<ViewDefinition>,
    fill: Option<Fill>,
    _place: Place,
}

impl Keeping {
    /// With empty tables, and views of which nothing is filled.
    pub(super) async fn of(engine: Engine, text: &str) -> Self {
        let place = engine.place().await;
        let store = place.store().await;
        let dialect = store.dialect();
        let views = Views::for_store(text, dialect).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let mut writing = store.write().await;
        let mut kept = writing.maintained.clone();
        let mut tx = writing.connection.begin().await.unwrap();
        execute(&mut tx, tables().iter().map(|table| create(dialect, table))).await;
        for (name, version) in &views.versions {
            kept.add(&mut tx, (name, name), version.clone(), false).await.unwrap();
            let result = format!("CREATE VIEW {name} AS SELECT * FROM {}", version.result());
            execute(&mut tx, [result]).await;
        }
        kept.track(&mut tx, &views.catalog).await.unwrap();
        indexes::reconcile(&mut tx, &kept, Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        writing.maintained = kept;
        drop(writing);
        let definitions = sql::parse_views(text).unwrap().views;
        Self { store, views, definitions, fill: None, _place: place }
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

    /// Puts a row into one of the tables in place of the one with its key, writes over it, or removes it.
    pub(super) async fn change(&mut self, random: &mut StdRng) {
        let (tables, dialect) = (tables(), self.store.dialect());
        let table = &tables[random.random_range(0..tables.len())];
        let row: Vec<String> = table.columns.iter().map(|column| value(dialect, random, column)).collect();
        let named = || table.columns.iter().zip(&row);
        let is_key = |column: &Column| table.key.contains(&column.name);
        let key = named().filter(|(column, _)| is_key(column));
        let key: Vec<String> = key.map(|(column, value)| format!("{} = {value}", column.name)).collect();
        let delete = format!("DELETE FROM {} WHERE {}", table.name, key.join(" AND "));
        let insert = format!("INSERT INTO {} VALUES ({})", table.name, row.join(", "));
        let others = named().filter(|(column, _)| !is_key(column));
        let sets: Vec<String> =
            others.map(|(column, _)| format!("{0} = excluded.{0}", column.name)).collect();
        let key = table.key.join(", ");
        let statements = match random.random_range(0..4) {
            0 => vec![delete],
            1 => vec![delete, insert],
            _ => vec![format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "))],
        };
        let mut writing = self.store.write().await;
        let mut kept = writing.maintained.clone();
        let mut tx = writing.connection.begin().await.unwrap();
        execute(&mut tx, statements).await;
        kept.propagate(&mut tx, &table.name).await.unwrap();
        tx.commit().await.unwrap();
        writing.maintained = kept;
    }

    /// What each view holds, and what its text gives now. So do its nodes when they are computed, and what its rows follow
    /// from is there.
    pub(super) async fn compared(&mut self) -> Vec<(String, Vec<String>, Vec<String>)> {
        let mut writing = self.store.write().await;
        let mut compared = Vec::new();
        for definition in &self.definitions {
            let computed = sql::compile_view(definition, &self.views.catalog).unwrap();
            let names: Vec<String> = computed.columns.iter().map(|column| quoted(&column.name)).collect();
            let (width, shown) = (names.len(), names.join(", "));
            let kept = format!("SELECT {shown} FROM {}", definition.name);
            let kept = rows(&mut writing, &kept, width).await;
            let computed = rows(&mut writing, &computed.text, width).await;
            let version = self.views.version_of(&definition.name);
            let whole =
                format!("WITH {} SELECT {shown} FROM {}", version.whole().join(", "), version.result());
            assert_eq!(
                rows(&mut writing, &whole, width).await,
                computed,
                "as its nodes are computed: {whole}"
            );
            are_there(&mut writing, version).await;
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

/// Whether rows from which those of a view are said to follow are there.
async fn are_there(connection: &mut Connection, version: &Version) {
    let all = version.sought_by(SourceId(1_000_000), "TRUE");
    let origins = version.origins(version.plan.last(), "sought");
    // A branch of a union, or an outer partner, can have a part in no row.
    let [origin] = &origins[..] else { return };
    let is_there = format!(
        "WITH sought AS ({all}) SELECT (SELECT count(*) FROM ({}) AS s) > 0 OR NOT EXISTS (SELECT 1 FROM sought)",
        origin.keys
    );
    let is_there: bool = connection.composed(is_there).one().await.unwrap();
    assert!(is_there, "what its rows follow from is not there: {}", origin.keys);
}

async fn execute(connection: &mut Connection, statements: impl IntoIterator<Item = String>) {
    for statement in statements {
        connection.script(statement).await.unwrap();
    }
}

/// As text, in order.
async fn rows(connection: &mut Connection, text: &str, width: usize) -> Vec<String> {
    let text = match connection.dialect() {
        Dialect::Sqlite => {
            let values: Vec<String> = (0..width).map(|at| format!("quote(c{at})")).collect();
            let columns: Vec<String> = (0..width).map(|at| format!("c{at}")).collect();
            let (columns, values) = (columns.join(", "), values.join(" || ' ' || "));
            format!("WITH r ({columns}) AS ({text}) SELECT {values} FROM r")
        }
        Dialect::Postgres => format!("SELECT r::text FROM ({text}) AS r"),
    };
    let mut rows: Vec<String> =
        connection.composed(text.as_str()).all().await.unwrap_or_else(|error| panic!("{text}\n{error}"));
    rows.sort();
    rows
}

fn value(dialect: Dialect, random: &mut StdRng, column: &Column) -> String {
    let n = random.random_range(0..VALUES);
    if column.nullable && n == 0 {
        return "NULL".to_owned();
    }
    match (column.ty, dialect) {
        // One of them is empty, and capitals come before all others.
        (Type::Text, _) => ["''", "'a'", "'B'", "'ab'"][n as usize].to_owned(),
        (Type::Bytea, Dialect::Sqlite) => ["x''", "x'00'", "x'ff'", "x'00ff'"][n as usize].to_owned(),
        (Type::Bytea, Dialect::Postgres) => {
            [r"'\x'", r"'\x00'", r"'\xff'", r"'\x00ff'"][n as usize].to_owned()
        }
        (Type::Timestamptz, Dialect::Postgres) => format!("'1970-01-01 00:00:00.00000{n}+00'"),
        (Type::Bigint | Type::Timestamptz, _) => n.to_string(),
        (Type::Bool, Dialect::Sqlite) => (n % 2).to_string(),
        (Type::Bool, Dialect::Postgres) => (n % 2 == 1).to_string(),
        (Type::Double, _) => format!("{n}.5"),
        (Type::Jsonb, _) => format!("'{{\"n\":{n}}}'"),
        (Type::Numeric | Type::Interval, _) => panic!("no column is of it"),
    }
}

fn create(dialect: Dialect, table: &Relation) -> String {
    let column = |column: &Column| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("{} {}{null}", column.name, storage(dialect, column.ty))
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let options = if dialect == Dialect::Sqlite { " STRICT, WITHOUT ROWID" } else { "" };
    format!(
        "CREATE TABLE {} ({}, PRIMARY KEY ({})){options}",
        table.name,
        columns.join(", "),
        table.key.join(", ")
    )
}
