//! A copy of the store from which rows are taken away, and whose views are computed from what is left.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tributary_sqlite::timestamp;

use super::super::{
    answer::{Answer, ours},
    script::View,
};
use crate::{
    catalog::{Catalog, Kind, Type},
    database::{Connection, Row},
    lineage::{Part, Trace},
    query::cell::Cell,
    sql::{self, text::quoted},
};

pub(super) struct Reduced {
    connection: Connection,
    catalog: Arc<Catalog>,
    _directory: TempDir,
}

/// Base tables, with how many of their rows are named.
pub(super) type Named = BTreeMap<String, usize>;

impl Reduced {
    /// What is kept stays as it is; what users read is computed from base tables.
    pub(super) async fn of(directory: TempDir, catalog: &Arc<Catalog>, views: &[View]) -> Self {
        let options = SqliteConnectOptions::new().filename(directory.path().join("query.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        tributary_sqlite::prepare(&mut connection).await.unwrap();
        let connection = Connection::sqlite(connection);
        let mut this = Self { connection, catalog: catalog.clone(), _directory: directory };
        let known: Vec<&View> = views.iter().filter(|view| catalog.get(&view.name).is_some()).collect();
        for view in &known {
            this.run(&format!("DROP VIEW {}", quoted(&view.name))).await.unwrap();
        }
        for view in known {
            let definition = sql::parse_views(&view.create()).unwrap().views.remove(0);
            let compiled = sql::compile_view(&definition, catalog).unwrap();
            let names: Vec<_> = compiled.columns.iter().map(|column| quoted(&column.name)).collect();
            let text =
                format!("CREATE VIEW {} ({}) AS {}", quoted(&view.name), names.join(", "), compiled.text);
            this.run(&text).await.unwrap();
        }
        this
    }

    async fn run(&mut self, text: &str) -> Result<(), String> {
        self.connection.script(text).await.map_err(|error| format!("{text}: {error}"))
    }

    /// Some rows of a view, no two of them equal; none if it cannot be computed.
    pub(super) async fn some(&mut self, view: &str, count: usize) -> Vec<Vec<Cell>> {
        self.cells(&format!("SELECT DISTINCT * FROM {view} LIMIT {count}")).await.unwrap_or_default()
    }

    async fn cells(&mut self, text: &str) -> Result<Vec<Vec<Cell>>, String> {
        let compiled = sql::compile(text, &self.catalog, &[]).map_err(|error| error.to_string())?;
        let rows: Result<Vec<Row>, _> = self.connection.composed(compiled.text).all().await;
        let rows = rows.map_err(|error| error.to_string())?;
        let cells = rows.iter().map(|row| {
            (0..).zip(&compiled.columns).map(|(at, column)| Cell::read(row, at, column).unwrap()).collect()
        });
        Ok(cells.collect())
    }

    /// By what a row is asked for: all its columns but those that have no equality.
    pub(super) fn key(&self, view: &str, row: &[Cell]) -> Vec<Part> {
        let columns = &self.catalog.get(view).unwrap().columns;
        let comparable = columns.iter().zip(row).filter(|(column, _)| column.ty != Type::Jsonb);
        let part = comparable.map(|(column, cell)| Part { column: column.name.clone(), value: text(cell) });
        part.collect()
    }

    /// The rows that have a key.
    pub(super) async fn rows(&mut self, view: &str, key: &[Part]) -> Result<Answer, String> {
        let conditions: Vec<String> = key
            .iter()
            .map(|Part { column, value }| match value {
                Some(value) => format!("{} = '{}'", quoted(column), value.replace('\'', "''")),
                None => format!("{} IS NULL", quoted(column)),
            })
            .chain(["TRUE".to_owned()])
            .collect();
        let cells = self.cells(&format!("SELECT * FROM {view} WHERE {}", conditions.join(" AND "))).await?;
        let rows = cells.into_iter().map(|row| row.into_iter().map(ours).collect());
        Ok(Answer::new(Vec::new(), rows.collect()))
    }

    /// Notes the rows of base tables that are named.
    pub(super) async fn name(&mut self, trace: &Trace) -> Result<Named, String> {
        let mut named = Named::new();
        for (table, query) in &trace.tables {
            let noted = noted(table);
            let text = format!(
                "DROP TABLE IF EXISTS temp.{noted}; CREATE TEMP TABLE {noted} AS WITH {} SELECT * FROM {query}",
                trace.queries.join(", ")
            );
            self.run(&text).await?;
            let count = self.connection.composed(format!("SELECT COUNT(*) FROM temp.{noted}"));
            let count: i64 = count.one().await.unwrap();
            named.insert(table.clone(), usize::try_from(count).unwrap());
        }
        Ok(named)
    }

    /// The rows that have a key once all that is not named is gone.
    pub(super) async fn without_others(
        &mut self,
        named: &Named,
        view: &str,
        key: &[Part],
    ) -> Result<Answer, String> {
        let mut deletes = Vec::new();
        for relation in self.catalog.relations.values().filter(|r| matches!(r.kind, Kind::Base { .. })) {
            let name = &relation.name;
            let keys: Vec<_> = relation.key.iter().map(|column| quoted(column)).collect();
            let kept = format!("({}) IN (SELECT * FROM temp.{})", keys.join(", "), noted(name));
            let kept = if named.contains_key(name) { kept } else { "FALSE".to_owned() };
            deletes.push(format!("DELETE FROM {name} WHERE NOT {kept}"));
        }
        self.rows_after(&deletes.join("; "), view, key).await
    }

    /// The same once one of those that are named is gone.
    pub(super) async fn without_one(
        &mut self,
        table: &str,
        at: usize,
        view: &str,
        key: &[Part],
    ) -> Result<Answer, String> {
        let relation = self.catalog.get(table).unwrap();
        let keys: Vec<_> = relation.key.iter().map(|column| quoted(column)).collect();
        let one = format!("SELECT * FROM temp.{} LIMIT 1 OFFSET {at}", noted(table));
        let delete = format!("DELETE FROM {table} WHERE ({}) IN ({one})", keys.join(", "));
        self.rows_after(&delete, view, key).await
    }

    async fn rows_after(&mut self, deletes: &str, view: &str, key: &[Part]) -> Result<Answer, String> {
        self.run(&format!("BEGIN; {deletes}")).await.unwrap();
        let rows = self.rows(view, key).await;
        self.run("ROLLBACK").await.unwrap();
        rows
    }
}

fn noted(table: &str) -> String {
    quoted(&format!("named_{table}"))
}

/// As a caller would write it.
fn text(cell: &Cell) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(value) => value.to_string(),
        Cell::Bigint(value) => value.to_string(),
        Cell::Double(value) => format!("{value:?}"),
        Cell::Numeric(text) | Cell::Text(text) | Cell::Jsonb(text) => text.clone(),
        Cell::Bytea(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}")
        }
        Cell::Timestamptz(micros) => timestamp::format(*micros).unwrap(),
    })
}
