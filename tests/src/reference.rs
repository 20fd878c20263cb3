//! What is right: PostgreSQL's answer to the same text over the same rows.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Column as _, Either, PgConnection, Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow,
};
use time::OffsetDateTime;

use crate::rows::{ColumnType, Datum, RowChange, Table};

/// A PostgreSQL that holds tables.
#[derive(Debug)]
pub struct Reference {
    connection: PgConnection,
    tables: BTreeMap<String, Table>,
}

impl Reference {
    /// With these tables, all empty.
    pub async fn new(connection: PgConnection, tables: Vec<Table>) -> Self {
        let create = |table: &Table| {
            let columns = table.columns.iter().map(|column| {
                let null = if column.ty == ColumnType::Time { "" } else { " NOT NULL" };
                format!("{} {}{null}", column.name, column.ty.name())
            });
            let (columns, key) = (columns.collect::<Vec<_>>().join(", "), table.key().join(", "));
            let name = &table.name;
            format!(
                "CREATE UNLOGGED TABLE {name} ({columns}, PRIMARY KEY ({key})); \
                 CREATE TEMP TABLE staged_{name} AS SELECT * FROM {name} WITH NO DATA"
            )
        };
        let creates: Vec<String> = tables.iter().map(create).collect();
        let tables = tables.into_iter().map(|table| (table.name.clone(), table)).collect();
        let mut reference = Self { connection, tables };
        reference.run(&creates.join("; ")).await;
        reference
    }

    /// Takes changes; the last one of each row counts.
    pub async fn apply(&mut self, changes: &[RowChange]) {
        let mut last: BTreeMap<&str, BTreeMap<&str, &RowChange>> = BTreeMap::new();
        for change in changes {
            last.entry(&change.table).or_default().insert(&change.key, change);
        }
        for (name, rows) in last {
            let table = self.tables[name].clone();
            let key = table.key();
            let same: Vec<String> = key.iter().map(|column| format!("t.{column} = s.{column}")).collect();
            let same = same.join(" AND ");
            let gone = rows.values().filter(|row| row.deleted).map(|row| line(&row.values));
            let kept = rows.values().filter(|row| !row.deleted).map(|row| line(&row.values));
            self.copy(&format!("staged_{name} ({})", key.join(", ")), gone.collect()).await;
            let delete = format!("DELETE FROM {name} t USING staged_{name} s WHERE {same}");
            self.run(&format!("{delete}; TRUNCATE staged_{name}")).await;
            self.copy(&format!("staged_{name}"), kept.collect()).await;
            self.run(&format!(
                "{delete}; INSERT INTO {name} SELECT * FROM staged_{name}; TRUNCATE staged_{name}"
            ))
            .await;
        }
    }

    async fn copy(&mut self, target: &str, text: String) {
        let statement = format!("COPY {target} FROM STDIN");
        let mut copy = self.connection.copy_in_raw(&statement).await.expect("a table");
        copy.send(text.into_bytes()).await.expect("PostgreSQL takes rows");
        copy.finish().await.expect("rows of the table");
    }

    /// Runs statements; each must succeed.
    pub async fn run(&mut self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await;
        if let Err(error) = done {
            panic!("{sql:.2000}: {error}");
        }
    }

    /// The rows of one SELECT, as the clients of a gateway write them.
    pub async fn ask(&mut self, sql: &str) -> Vec<Vec<String>> {
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(&mut self.connection);
        let mut rows = Vec::new();
        while let Some(step) = stream.try_next().await.unwrap_or_else(|error| panic!("{sql}: {error}")) {
            if let Either::Right(row) = step {
                rows.push(texts(&row));
            }
        }
        rows
    }
}

impl Table {
    fn key(&self) -> Vec<&str> {
        self.columns.iter().filter(|column| column.key).map(|column| column.name.as_str()).collect()
    }
}

impl ColumnType {
    fn name(self) -> &'static str {
        match self {
            Self::Integer => "bigint",
            Self::Text => "text",
            Self::Time => "timestamptz",
        }
    }
}

/// One line of COPY's text.
fn line(values: &[Datum]) -> String {
    let text = |value: &Datum| match value {
        Datum::Integer(value) => value.to_string(),
        Datum::Text(text) => {
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
        }
        Datum::Time(seconds) => {
            OffsetDateTime::from_unix_timestamp(*seconds).expect("a time of our era").to_string()
        }
    };
    values.iter().map(text).collect::<Vec<_>>().join("\t") + "\n"
}

fn texts(row: &PgRow) -> Vec<String> {
    let value = |at: usize| {
        let raw = row.try_get_raw(at).expect("a column");
        if raw.is_null() {
            return "NULL".to_owned();
        }
        let text = raw.as_str().expect("text");
        match row.column(at).type_info().name() {
            "TIMESTAMPTZ" => seconds(text),
            _ => text.to_owned(),
        }
    };
    (0..row.len()).map(value).collect()
}

/// `1995-03-05 00:00:00+00` as seconds and nanoseconds.
fn seconds(text: &str) -> String {
    let micros = tributary_sqlite::timestamp::parse(text).expect("a time of PostgreSQL");
    format!("{}.{:09}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) * 1000)
}
