//! A gateway to test with: a library whose books and loans come from one source, its readers from another.
//! Filled directly, as if the sources had been followed.

use std::sync::Arc;

use tributary_chassis::position::Position;

use crate::{
    catalog::{Catalog, Column, Kind, Relation, Type},
    gateway::{Applied, Gateway},
    source::SourceStatus,
    sql::{Dialect, text::quoted},
    store::{
        objects, storage,
        tests::place::{Engine, Place},
    },
};

/// The epoch of both sources.
pub(crate) const EPOCH: &str = "e1";

pub(crate) struct Library {
    pub(crate) gateway: Gateway,
    _place: Place,
}

impl Library {
    /// Neither source was reached.
    pub(crate) async fn closed(engine: Engine) -> Self {
        let place = engine.place().await;
        let store = place.store().await;
        let sources = ["library", "members"].map(|name| SourceStatus::new(name, "http://127.0.0.1:1"));
        let catalog = Catalog::of(store.dialect());
        let gateway = Gateway::new(store, catalog, Applied::default(), sources.into());
        Self { gateway, _place: place }
    }

    /// Both sources are applied.
    pub(crate) async fn stocked(engine: Engine) -> Self {
        let library = Self::closed(engine).await;
        library.shelve().await;
        library.enrol().await;
        library
    }

    /// The books and loans come, at library/e1/6.
    pub(crate) async fn shelve(&self) {
        let books = [
            ("book_id", Type::Text, false),
            ("title", Type::Text, false),
            ("genre", Type::Text, false),
            ("pages", Type::Bigint, false),
            ("weight", Type::Double, true),
            ("rare", Type::Bool, false),
            ("added", Type::Timestamptz, true),
            ("cover", Type::Bytea, false),
            ("tags", Type::Jsonb, false),
        ];
        let loans = [
            ("loan_id", Type::Text, false),
            ("book_id", Type::Text, false),
            ("reader_id", Type::Text, false),
            ("days", Type::Bigint, false),
        ];
        let books_there = match self.dialect() {
            Dialect::Sqlite => {
                "('b1', 'Emma', 'NOVEL', 474, 0.5, 0, 1700000000123456, x'01ff', '[\"classic\"]'),
                 ('b2', 'Dune', 'SCIENCE_FICTION', 612, NULL, 1, NULL, x'', '[]'),
                 ('b3', 'Atlas', 'REFERENCE', 90, 2.25, 0, 1600000000000000, x'', '[]')"
            }
            Dialect::Postgres => {
                r#"('b1', 'Emma', 'NOVEL', 474, 0.5, FALSE, '2023-11-14 22:13:20.123456+00', '\x01ff', '["classic"]'),
                   ('b2', 'Dune', 'SCIENCE_FICTION', 612, NULL, TRUE, NULL, '', '[]'),
                   ('b3', 'Atlas', 'REFERENCE', 90, 2.25, FALSE, '2020-09-13 12:26:40+00', '', '[]')"#
            }
        };
        let rows = format!(
            "INSERT INTO books VALUES {books_there};
             INSERT INTO loans VALUES ('l1', 'b1', 'r1', 14), ('l2', 'b2', 'r1', 7), ('l3', 'b1', 'r2', 21);"
        );
        self.take_over(
            "library",
            6,
            &[table("library", "books", &books), table("library", "loans", &loans)],
            &rows,
        )
        .await;
    }

    /// The readers come, at members/e1/3.
    pub(crate) async fn enrol(&self) {
        let readers =
            [("reader_id", Type::Text, false), ("name", Type::Text, false), ("town", Type::Text, true)];
        let rows =
            "INSERT INTO readers VALUES ('r1', 'Ann', 'Oslo'), ('r2', 'Bo', NULL), ('r3', 'Cy', 'Rome');";
        self.take_over("members", 3, &[table("members", "readers", &readers)], rows).await;
    }

    /// Runs `sql` and moves the position of `source`, in one transaction.
    pub(crate) async fn apply(&self, source: &str, sequence: u64, sql: &str) {
        let commit = self.gateway.applied().borrow().commit + 1;
        let described = if self.dialect() == Dialect::Sqlite { "x''" } else { "''" };
        let moved = format!(
            "{sql};
            INSERT INTO _sources (source, service, epoch, sequence, digest, generation, described)
                VALUES ('{source}', '{source}', '{EPOCH}', {sequence}, 0, 1, {described})
                ON CONFLICT (source) DO UPDATE SET sequence = excluded.sequence;
            UPDATE _gateway SET commits = {commit};"
        );
        let mut writer = self.gateway.store().write().await;
        let mut tx = writer.begin().await.unwrap();
        tx.script(moved).await.unwrap();
        tx.commit().await.unwrap();
        drop(writer);
        let position = Position { service: source.to_owned(), epoch: EPOCH.to_owned(), sequence };
        self.gateway.advanced(commit, [(source, position, None)]);
    }

    fn dialect(&self) -> Dialect {
        self.gateway.store().dialect()
    }

    async fn take_over(&self, source: &str, sequence: u64, tables: &[Relation], rows: &str) {
        let dialect = self.dialect();
        let creates: Vec<_> = tables.iter().map(|table| create(dialect, table)).collect();
        self.apply(source, sequence, &format!("{};{rows}", creates.join(";"))).await;
        let mut writer = self.gateway.store().write().await;
        for table in tables {
            objects::publish(&mut writer, &quoted(&table.name)).await.unwrap();
        }
        drop(writer);
        self.gateway.set_tables(source, tables.iter().cloned().map(Arc::new));
    }
}

fn table(source: &str, name: &str, columns: &[(&str, Type, bool)]) -> Relation {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, ty, nullable)| Column { name: (*name).to_owned(), ty: *ty, nullable: *nullable })
        .collect();
    let key = vec![columns[0].name.clone()];
    let kind = Kind::Base { source: source.to_owned(), entity: name.to_owned(), parent: None };
    Relation { name: name.to_owned(), columns, key, kind }
}

fn create(dialect: Dialect, relation: &Relation) -> String {
    let columns: Vec<_> = relation
        .columns
        .iter()
        .map(|column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            format!("{} {}{null}", column.name, storage(dialect, column.ty))
        })
        .collect();
    let strict = if dialect == Dialect::Sqlite { " STRICT" } else { "" };
    format!("CREATE TABLE {} ({}){strict}", relation.name, columns.join(", "))
}
