//! What is right: PostgreSQL's answer to the text of each view as written, over the same base rows.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Either, PgConnection, Row as _, ValueRef as _, postgres::PgRow};
use tributary_sqlite::timestamp;

use super::{
    answer::{Answer, theirs, type_name},
    script::View,
};
use crate::{
    catalog::Type,
    schema::{Entity, Image, Row, Table, Value},
};

/// One case in PostgreSQL: temporary tables, which take no log and are gone with [`Oracle::end`].
pub(super) struct Oracle<'a> {
    connection: &'a mut PgConnection,
    /// Name, and names and types of the columns.
    views: Vec<(String, Vec<(String, String)>)>,
}

/// Rows of PostgreSQL, or why it has none.
pub(super) type Asked = Result<Answer, String>;

impl<'a> Oracle<'a> {
    pub(super) async fn begin<'s>(
        connection: &'a mut PgConnection,
        tables: impl Iterator<Item = &'s Table>,
    ) -> Self {
        let mut oracle = Self { connection, views: Vec::new() };
        let creates: Vec<_> = tables.map(create).collect();
        oracle.run(format!("DISCARD TEMP; {}", creates.join(";"))).await.unwrap();
        oracle
    }

    /// Takes the views as their files define them; each is computed when it is asked for.
    pub(super) async fn create(&mut self, views: &[View]) -> Result<(), String> {
        for view in views {
            let text = format!("CREATE TEMP VIEW {} AS {}", view.name, view.select);
            let refused = |error| format!("PostgreSQL refuses the view {}: {error}", view.name);
            self.run(text).await.map_err(refused)?;
        }
        let columns: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL)
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             WHERE c.relkind = 'v' AND c.relnamespace = pg_my_temp_schema() ORDER BY a.attnum",
        )
        .fetch_all(&mut *self.connection)
        .await
        .unwrap();
        let mut of_view = HashMap::<String, Vec<(String, String)>>::new();
        for (view, column, ty) in columns {
            of_view.entry(view).or_default().push((column, ty));
        }
        self.views = views
            .iter()
            .map(|view| (view.name.clone(), of_view.remove(&view.name).unwrap_or_default()))
            .collect();
        Ok(())
    }

    /// Takes the images of a batch, of any number of sources, and answers every view: one round trip, unless
    /// a view raises.
    pub(super) async fn apply(&mut self, images: &[(&Entity, &Image)]) -> Vec<Asked> {
        let changes = format!("BEGIN; {}; COMMIT", changes(images));
        let selects: Vec<_> = self.views.iter().map(|(name, _)| format!("SELECT * FROM {name}")).collect();
        let everything = format!("{changes}; {}", selects.join("; "));
        if let Ok(results) = self.run(everything).await {
            let behind_changes = results.len() - selects.len();
            return self
                .views
                .iter()
                .zip(&results[behind_changes..])
                .map(|((_, columns), rows)| Ok(answer(columns, rows)))
                .collect();
        }
        let mut answers = Vec::new();
        for (select, (_, columns)) in selects.into_iter().zip(self.views.clone()) {
            let results = self.run(select).await;
            answers.push(results.map(|results| answer(&columns, &results[0])));
        }
        answers
    }

    /// Runs statements and tells the rows of each, as text.
    async fn run(&mut self, sql: String) -> Result<Vec<Vec<PgRow>>, String> {
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut *self.connection);
        let (mut results, mut rows) = (Vec::new(), Vec::new());
        loop {
            match stream.try_next().await {
                Ok(Some(Either::Right(row))) => rows.push(row),
                Ok(Some(Either::Left(_))) => results.push(std::mem::take(&mut rows)),
                Ok(None) => return Ok(results),
                Err(sqlx::Error::Database(error)) => return Err(error.message().to_owned()),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn answer(columns: &[(String, String)], rows: &[PgRow]) -> Answer {
    let row = |row: &PgRow| {
        let value = |(at, (_, ty)): (usize, &(String, String))| {
            let raw = row.try_get_raw(at).unwrap();
            (!raw.is_null()).then(|| theirs(ty, raw.as_str().unwrap()))
        };
        columns.iter().enumerate().map(value).collect()
    };
    let named = columns.iter().map(|(name, ty)| (name.clone(), type_name(ty))).collect();
    Answer::new(named, rows.iter().map(row).collect())
}

fn create(table: &Table) -> String {
    let columns = table.columns().iter().map(|column| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("{} {}{null}", column.name, column.ty)
    });
    let columns: Vec<_> = columns.collect();
    format!(
        "CREATE TEMP TABLE {} ({}, PRIMARY KEY ({}))",
        table.name(),
        columns.join(", "),
        table.relation.key.join(", ")
    )
}

/// Deletes what was there of the entities and inserts what is there now: the last image of each counts.
fn changes(images: &[(&Entity, &Image)]) -> String {
    let mut last: HashMap<(&str, &[Value]), (&Entity, &Image)> = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    for (entity, image) in images {
        last.insert((&entity.name, &image.key), (entity, image));
        if !names.contains(&entity.name.as_str()) {
            names.push(&entity.name);
        }
    }
    let mut statements = Vec::new();
    for name in names {
        let images: Vec<&(&Entity, &Image)> =
            last.iter().filter(|((entity, _), _)| *entity == name).map(|(_, image)| image).collect();
        let entity = images[0].0;
        for (at, table) in entity.tables.iter().enumerate() {
            statements.push(delete(entity, table, images.iter().map(|(_, image)| *image)));
            let rows = images.iter().filter_map(|(_, image)| image.rows.as_ref()).flat_map(|rows| &rows[at]);
            let rows: Vec<_> = rows.map(|row| values(table, row)).collect();
            if !rows.is_empty() {
                statements.push(format!("INSERT INTO {} VALUES {}", table.name(), rows.join(", ")));
            }
        }
    }
    statements.join("; ")
}

fn delete<'i>(entity: &Entity, table: &Table, images: impl Iterator<Item = &'i Image>) -> String {
    // The keys of children begin with those of their parent.
    let root = &entity.tables[0];
    let names = table.relation.key[..root.key.len()].join(", ");
    let key = |image: &Image| {
        let parts = image.key.iter().zip(&root.key);
        let parts: Vec<_> = parts.map(|(value, at)| literal(root.columns()[*at].ty, value)).collect();
        format!("({})", parts.join(", "))
    };
    let keys: Vec<_> = images.map(key).collect();
    format!("DELETE FROM {} WHERE ({names}) IN ({})", table.name(), keys.join(", "))
}

fn values(table: &Table, row: &Row) -> String {
    let values = table.columns().iter().zip(row).map(|(column, value)| literal(column.ty, value));
    format!("({})", values.collect::<Vec<_>>().join(", "))
}

fn literal(ty: Type, value: &Value) -> String {
    match (ty, value) {
        (_, Value::Null) => "NULL".to_owned(),
        (Type::Bool, Value::Integer(value)) => (*value != 0).to_string(),
        (Type::Timestamptz, Value::Integer(micros)) => {
            format!("'{}'::timestamptz", timestamp::format(*micros).unwrap())
        }
        (_, Value::Integer(value)) => value.to_string(),
        (_, Value::Real(value)) => format!("{value:?}"),
        (_, Value::Text(text)) => format!("'{}'", text.replace('\'', "''")),
        (_, Value::Blob(bytes)) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'::bytea")
        }
    }
}
