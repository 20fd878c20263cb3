//! The same views kept by PostgreSQL.

use std::collections::BTreeMap;

use rand::{Rng as _, rngs::StdRng};
use sqlx::Row as _;

use super::{
    library::{Views, tables},
    server::Server,
};
use crate::{
    catalog::{Column, Type},
    sql::{self, Dialect, ViewDefinition},
};

/// Values of each column: few, so that many meet again.
const VALUES: u32 = 4;

/// Views that are kept over the tables of the library, whose rows are drawn.
pub(super) struct Serving {
    server: Server,
    views: Views,
    definitions: Vec<ViewDefinition>,
}

impl Serving {
    /// With empty tables, and views of which nothing is filled; none where there is no PostgreSQL.
    pub(super) async fn of(test: &str, text: &str) -> Option<Self> {
        let mut server = Server::open(test).await?;
        let views =
            Views::for_store(text, Dialect::Postgres).unwrap_or_else(|error| panic!("{text}\n{error}"));
        server.begin(&tables()).await;
        let columns: BTreeMap<String, Vec<Column>> =
            tables().into_iter().map(|table| (table.name, table.columns)).collect();
        for (name, version) in &views.versions {
            server.add(name, version.clone(), &columns).await;
        }
        let definitions = sql::parse_views(text).unwrap().views;
        Some(Self { server, views, definitions })
    }

    /// One transaction's worth of filling, of `size` rows; whether everything is filled.
    pub(super) async fn fill(&mut self, size: usize) -> bool {
        self.server.fill(size).await.unwrap_or_else(|failed| panic!("{failed:?}"))
    }

    /// Puts a row into one of the tables in place of the one with its key, writes over it, or removes it.
    pub(super) async fn change(&mut self, random: &mut StdRng) {
        let tables = tables();
        let table = &tables[random.random_range(0..tables.len())];
        let row: Vec<String> = table.columns.iter().map(|column| value(random, column)).collect();
        let named = || table.columns.iter().zip(&row);
        let key = named().filter(|(column, _)| table.key.contains(&column.name));
        let key: Vec<String> = key.map(|(column, value)| format!("{} = {value}", column.name)).collect();
        let delete = format!("DELETE FROM {} WHERE {}", table.name, key.join(" AND "));
        let insert = format!("INSERT INTO {} VALUES ({})", table.name, row.join(", "));
        let sets: Vec<String> = named()
            .filter(|(column, _)| !table.key.contains(&column.name))
            .map(|(column, _)| format!("{0} = excluded.{0}", column.name))
            .collect();
        let upsert =
            format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", table.key.join(", "), sets.join(", "));
        let statements = match random.random_range(0..4) {
            0 => vec![delete],
            1 => vec![delete, insert],
            _ => vec![upsert],
        };
        let changes = [(table.name.clone(), statements)];
        self.server.apply(&changes).await.unwrap_or_else(|failed| panic!("{failed:?}"));
    }

    /// What each view holds, and what its text gives now.
    pub(super) async fn compared(&mut self) -> Vec<(String, Vec<String>, Vec<String>)> {
        let mut compared = Vec::new();
        for definition in self.definitions.clone() {
            let computed = sql::compile_view(&definition, &self.views.catalog).unwrap();
            let kept = self.rows(&format!("SELECT * FROM {}", definition.name)).await;
            let computed = computed.text_in(Dialect::Postgres);
            let computed = self.rows(&computed).await;
            compared.push((definition.select_sql.clone(), kept, computed));
        }
        compared
    }

    async fn rows(&mut self, query: &str) -> Vec<String> {
        let query = format!("SELECT r::text FROM ({query}) AS r");
        let rows = self.server.ask(&query).await.unwrap_or_else(|error| panic!("{query}\n{error}"));
        let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        rows.sort();
        rows
    }
}

fn value(random: &mut StdRng, column: &Column) -> String {
    let n = random.random_range(0..VALUES);
    if column.nullable && n == 0 {
        return "NULL".to_owned();
    }
    match column.ty {
        Type::Text => ["''", "'a'", "'B'", "'ab'"][n as usize].to_owned(),
        Type::Bytea => [r"'\x'", r"'\x00'", r"'\xff'", r"'\x00ff'"][n as usize].to_owned(),
        Type::Bigint => n.to_string(),
        Type::Timestamptz => format!("'1970-01-01 00:00:00.00000{n}+00'"),
        Type::Bool => (n % 2 == 1).to_string(),
        Type::Double => format!("{n}.5"),
        Type::Jsonb => format!("'{{\"n\":{n}}}'"),
        Type::Numeric | Type::Interval => panic!("no column is of it"),
    }
}
