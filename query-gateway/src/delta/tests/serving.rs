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
    sql::{self, Dialect, ViewDefinition, relational::SourceId, text::quoted},
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
            let (nodes, reached) = self.rebuilt(&definition.name).await;
            assert_eq!(nodes, computed, "as its nodes are computed: {}", definition.select_sql);
            assert!(reached, "what its rows follow from is not there: {}", definition.select_sql);
            compared.push((definition.select_sql.clone(), kept, computed));
        }
        compared
    }

    /// What a view's nodes give when they are computed, and whether all rows from which those of its nodes are said to follow
    /// are there.
    async fn rebuilt(&mut self, view: &str) -> (Vec<String>, bool) {
        let version = self.views.version_of(view).clone();
        let last = &version.plan.nodes[version.plan.last().0];
        let shown: Vec<String> =
            last.columns[..version.plan.shown].iter().map(|column| quoted(&column.label)).collect();
        let with = format!("WITH {} SELECT", version.whole().join(", "));
        let rows = self.rows(&format!("{with} {} FROM {}", shown.join(", "), version.result())).await;
        let mut reached = true;
        let source = SourceId(1_000_000);
        let all = version.sought_by(source, "TRUE");
        for origin in version.origins(version.plan.last(), "sought") {
            let is_there = format!(
                "WITH sought AS ({all}) SELECT count(*) > 0 OR NOT EXISTS (SELECT 1 FROM sought) FROM ({}) AS s",
                origin.keys
            );
            let asked =
                self.server.ask(&is_there).await.unwrap_or_else(|error| panic!("{is_there}\n{error}"));
            // A branch of a union, or an outer partner, can have a part in no row.
            let alone = version.origins(version.plan.last(), "sought").len() == 1;
            reached &= asked[0].get::<bool, _>(0) || !alone;
        }
        (rows, reached)
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
