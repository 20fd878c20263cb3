//! Statements compiled and run on SQLite, against what PostgreSQL answers.

mod drawn;
mod expressions;
mod postgres;
mod queries;
mod refusals;
mod stages;

use std::{collections::BTreeMap, sync::Arc};

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, ValueRef, sqlite::SqliteRow};
use tributary_sqlite::timestamp;

use super::{Compiled, Dialect, Parameter, SqlError, compile};
use crate::catalog::{Catalog, Column, Kind, Relation, Type};

/// A library: readers borrow books; some loans are not returned, one book has no loan, one reader no name.
const SCHEMA: &str = r#"
CREATE TABLE books (book_id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, genre TEXT, pages INTEGER NOT NULL,
                    weight REAL, tags TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE readers (reader_id TEXT NOT NULL PRIMARY KEY, name TEXT, city TEXT NOT NULL, active INTEGER NOT NULL) STRICT;
CREATE TABLE loans (loan_id INTEGER NOT NULL PRIMARY KEY, book_id TEXT NOT NULL, reader_id TEXT NOT NULL,
                    taken INTEGER NOT NULL, returned INTEGER, fee INTEGER NOT NULL) STRICT;
INSERT INTO books VALUES
    ('b1', 'Emma', 'novel', 474, 0.5, '{"shelf":"A","copies":3,"ok":true}'),
    ('b2', 'Faust', 'drama', 240, 0.25, '{"shelf":"B","list":[1,2]}'),
    ('b3', 'emma returns', NULL, 100, NULL, '[]'),
    ('b4', 'Iliad', 'epic', 700, 1.5, '{}');
INSERT INTO readers VALUES ('r1', 'Ann', 'Oslo', 1), ('r2', NULL, 'Rome', 0), ('r3', 'Cy', 'Oslo', 1);
INSERT INTO loans VALUES
    (1, 'b1', 'r1', 1704067200000000, 1704240000000000, 10),
    (2, 'b1', 'r2', 1706745600000000, NULL, 25),
    (3, 'b2', 'r1', 1706832000000000, 1709251200000000, 0),
    (4, 'b3', 'r9', 1735689600000000, NULL, 7);
"#;

fn catalog() -> Catalog {
    let relation = |name: &str, key: &[&str], columns: &[(&str, Type, bool)]| {
        let column = |(name, ty, nullable): &(&str, Type, bool)| Column {
            name: (*name).into(),
            ty: *ty,
            nullable: *nullable,
        };
        let relation = Relation {
            name: name.to_owned(),
            columns: columns.iter().map(column).collect(),
            key: key.iter().map(|key| (*key).to_owned()).collect(),
            kind: Kind::Base { source: "library".into(), entity: name.to_owned(), parent: None },
        };
        (name.to_owned(), Arc::new(relation))
    };
    let relations = BTreeMap::from([
        relation(
            "books",
            &["book_id"],
            &[
                ("book_id", Type::Text, false),
                ("title", Type::Text, false),
                ("genre", Type::Text, true),
                ("pages", Type::Bigint, false),
                ("weight", Type::Double, true),
                ("tags", Type::Jsonb, false),
            ],
        ),
        relation(
            "readers",
            &["reader_id"],
            &[
                ("reader_id", Type::Text, false),
                ("name", Type::Text, true),
                ("city", Type::Text, false),
                ("active", Type::Bool, false),
            ],
        ),
        relation(
            "loans",
            &["loan_id"],
            &[
                ("loan_id", Type::Bigint, false),
                ("book_id", Type::Text, false),
                ("reader_id", Type::Text, false),
                ("taken", Type::Timestamptz, false),
                ("returned", Type::Timestamptz, true),
                ("fee", Type::Bigint, false),
            ],
        ),
    ]);
    Catalog { relations, ..Catalog::of(Dialect::Sqlite) }
}

/// The library in a store of its own, guarded as for strangers.
struct Library {
    conn: SqliteConnection,
    catalog: Catalog,
}

impl Library {
    async fn open() -> Self {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(SCHEMA).execute(&mut conn).await.unwrap();
        tributary_sqlite::prepare(&mut conn).await.unwrap();
        tributary_sqlite::guard_reader(&mut conn, |_| true).await.unwrap();
        Self { conn, catalog: catalog() }
    }

    /// Compiles; the text is what is run.
    fn compile(&self, sql: &str) -> Result<Compiled, SqlError> {
        compile(sql, &self.catalog, &[])
    }

    /// One line per row, `|` between values; or the reason why there is none.
    async fn ask(&mut self, sql: &str) -> String {
        match self.compile(sql) {
            Ok(compiled) => self.run(&compiled).await,
            Err(error) => format!("refused: {error}"),
        }
    }

    async fn run(&mut self, compiled: &Compiled) -> String {
        let rows = sqlx::query(AssertSqlSafe(compiled.text.clone())).fetch_all(&mut self.conn).await;
        match rows {
            Ok(rows) => {
                let line = |row: &SqliteRow| {
                    let values =
                        compiled.columns.iter().enumerate().map(|(at, column)| show(row, at, column.ty));
                    values.collect::<Vec<_>>().join("|")
                };
                rows.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            Err(sqlx::Error::Database(error)) => format!("error: {}", error.message()),
            Err(error) => format!("error: {error}\n{}", compiled.text),
        }
    }
}

/// A value as psql shows it.
fn show(row: &SqliteRow, at: usize, ty: Type) -> String {
    if row.try_get_raw(at).unwrap().is_null() {
        return "NULL".to_owned();
    }
    match ty {
        Type::Bool => if row.get::<i64, _>(at) == 0 { "f" } else { "t" }.to_owned(),
        Type::Bigint => row.get::<i64, _>(at).to_string(),
        Type::Double => row.get::<f64, _>(at).to_string(),
        Type::Numeric => row.try_get::<String, _>(at).unwrap_or_else(|_| row.get::<i64, _>(at).to_string()),
        Type::Text | Type::Interval | Type::Jsonb => row.get::<String, _>(at),
        Type::Timestamptz => timestamp::format(row.get::<i64, _>(at)).unwrap(),
        Type::Bytea => {
            let hex = row.get::<Vec<u8>, _>(at).into_iter().map(|byte| format!("{byte:02x}"));
            format!("\\x{}", hex.collect::<String>())
        }
    }
}

/// A parameter.
fn parameter(name: &str, ty: Type) -> Parameter {
    Parameter { name: name.to_owned(), ty }
}
