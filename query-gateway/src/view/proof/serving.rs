//! The same to be proven in PostgreSQL: plans that are kept there as the gateway will, without the gateway around them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::{Row as _, ValueRef as _, postgres::PgRow};

use super::{
    answer::{Answer, theirs},
    mutant::Mutant,
    oracle::{self, Asked},
    script::{Batch, Delivery, Script, View},
    subject::{Images, OF_VALUES, Source},
};
use crate::{
    catalog::{Column, Relation},
    delta::tests::{
        library::Views,
        server::{Failed, Server},
    },
    schema::{Entity, Image, Table},
    sql::{self, Dialect, ViewDefinition, text::quoted},
};

/// One case in PostgreSQL.
pub(super) struct Serving {
    sources: Vec<Source>,
    server: Server,
    views: Views,
    definitions: Vec<ViewDefinition>,
    /// Names and types of the columns of each view.
    columns: BTreeMap<String, Vec<(String, String)>>,
    /// Views that cannot be kept, and why.
    failed: BTreeMap<String, String>,
    /// What failed first, and not because of a value.
    defect: Option<(String, String)>,
    mutant: Option<Mutant>,
}

impl Serving {
    /// With every table, all of them empty.
    pub(super) async fn begin(script: &Script, mutant: Option<Mutant>) -> Self {
        let sources: Vec<_> = script.sources.iter().map(|(name, proto)| Source::new(name, proto)).collect();
        let relations: Vec<Arc<Relation>> = sources
            .iter()
            .flat_map(|source| source.schema.tables())
            .map(|table| table.relation.clone())
            .collect();
        let mut server = Server::open("views of drawn cases").await.unwrap();
        server.begin(relations.iter().map(Arc::as_ref)).await;
        let views = Views::over(relations, Dialect::Postgres);
        let (definitions, columns, failed) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { sources, server, views, definitions, columns, failed, defect: None, mutant }
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.sources.iter().flat_map(|source| source.schema.tables())
    }

    /// Creates the views.
    pub(super) async fn create(&mut self, views: &[View]) {
        self.add(views).await;
        self.settle(20).await;
    }

    async fn add(&mut self, views: &[View]) {
        for view in views {
            let parsed = sql::parse_views(&view.create()).unwrap().views;
            for definition in parsed {
                self.add_one(&definition).await;
                self.definitions.push(definition);
            }
        }
    }

    async fn add_one(&mut self, definition: &ViewDefinition) {
        let compiled = sql::compile_view(definition, self.views.catalog()).unwrap();
        let named = compiled.columns.iter().map(|column| (column.name.clone(), column.ty.to_string()));
        self.columns.insert(definition.name.clone(), named.collect());
        self.views.add(definition).unwrap_or_else(|error| panic!("{}\n{error}", definition.select_sql));
        self.make(definition).await;
    }

    /// Creates a view that is known, unless it reads one that cannot be kept.
    async fn make(&mut self, definition: &ViewDefinition) {
        if definition.materialized {
            let columns: BTreeMap<String, Vec<Column>> = self
                .tables()
                .map(|table| (table.name().to_owned(), table.relation.columns.clone()))
                .collect();
            let version = self.views.version_of(&definition.name).clone();
            return self.server.add(&definition.name, version, &columns).await;
        }
        // Compiled again: by now it knows no column that it did not know before.
        let compiled = sql::compile_view(definition, self.views.catalog()).unwrap();
        let names: Vec<String> = compiled.columns.iter().map(|column| quoted(&column.name)).collect();
        let text = compiled.text_in(Dialect::Postgres);
        let create = format!("CREATE VIEW {} ({}) AS {text}", quoted(&definition.name), names.join(", "));
        self.server.run(&create).await.unwrap_or_else(|error| panic!("{create}\n{error}"));
    }

    /// Applies a batch as one transaction.
    pub(super) async fn apply(&mut self, batch: &Batch) -> Images {
        if batch.delivery == Delivery::Reopened {
            let columns: BTreeMap<String, Vec<Column>> = self
                .tables()
                .map(|table| (table.name().to_owned(), table.relation.columns.clone()))
                .collect();
            self.server.reopen(&columns).await;
        }
        let (changes, images) = self.changes(batch);
        self.take(&changes).await;
        self.settle(20).await;
        images
    }

    /// Creates the views while a batch is applied: they are filled from rows that change.
    pub(super) async fn create_during(&mut self, batch: &Batch, views: &[View]) -> Images {
        let (changes, images) = self.changes(batch);
        self.add(views).await;
        for _ in 0..1 + images.len() % 7 {
            self.fill(1 + images.len() % 3).await;
        }
        self.take(&changes).await;
        self.settle(5).await;
        images
    }

    /// What it takes in is tried again without the views that cannot follow, which are filled again.
    async fn take(&mut self, changes: &[(String, Vec<String>)]) {
        let mut again = BTreeSet::new();
        while let Err(failed) = self.server.apply(changes).await {
            let gone = self.server.remove(&failed.view).await;
            self.note(&failed);
            again.extend(gone);
        }
        self.make_again(again).await;
    }

    /// Views that were removed, with those that were computed over them.
    async fn make_again(&mut self, again: BTreeSet<String>) {
        for definition in self.definitions.clone() {
            let is_gone = again.contains(&definition.name)
                || (!definition.materialized && !self.server.is_there(&definition.name).await);
            if is_gone && self.reads_what_is_there(&definition).await {
                self.failed.remove(&definition.name);
                if definition.materialized {
                    self.views.renew(&definition.name);
                }
                self.make(&definition).await;
            }
        }
    }

    async fn reads_what_is_there(&mut self, definition: &ViewDefinition) -> bool {
        let compiled = sql::compile_view(definition, self.views.catalog()).unwrap();
        for relation in compiled.relations {
            if !self.server.is_there(&relation).await {
                return false;
            }
        }
        true
    }

    async fn settle(&mut self, size: usize) {
        while !self.fill(size).await {}
    }

    async fn fill(&mut self, size: usize) -> bool {
        match self.server.fill(size).await {
            Ok(filled) => filled,
            Err(failed) => {
                for name in self.server.remove(&failed.view).await {
                    self.failed.insert(name, failed.reason.clone());
                }
                self.note(&failed);
                false
            }
        }
    }

    fn note(&mut self, failed: &Failed) {
        if self.defect.is_none() && !OF_VALUES.iter().any(|value| failed.reason.contains(value)) {
            self.defect = Some((failed.view.clone(), failed.reason.clone()));
        }
        self.failed.insert(failed.view.clone(), failed.reason.clone());
    }

    /// A view that could not follow or be filled, and not because of a value.
    pub(super) fn defect(&self) -> Option<(String, String)> {
        self.defect.clone()
    }

    /// Everything in a view, or why it cannot be read.
    pub(super) async fn ask(&mut self, view: &str) -> Asked {
        if let Some(reason) = self.failed.get(view) {
            return Err(reason.clone());
        }
        let columns = self.columns[view].clone();
        let rows = self.server.ask(&format!("SELECT * FROM {}", quoted(view))).await?;
        let row = |row: &PgRow| {
            let value = |(at, (_, ty)): (usize, &(String, String))| {
                let raw = row.try_get_raw(at).unwrap();
                (!raw.is_null()).then(|| theirs(ty, raw.as_str().unwrap()))
            };
            columns.iter().enumerate().map(value).collect()
        };
        let rows = rows.iter().map(row).collect();
        Ok(Answer::new(columns.clone(), rows))
    }

    /// What a batch does to each table, and its images.
    fn changes(&mut self, batch: &Batch) -> (Vec<(String, Vec<String>)>, Images) {
        let (mut changes, mut images) = (Vec::new(), Vec::new());
        for source in &mut self.sources {
            let taken = source.take(batch);
            let entities = &source.schema.entities;
            let delivered: Vec<(&Entity, &Image)> = taken
                .iter()
                .filter(|image| self.mutant.is_none_or(|mutant| mutant.delivers(image)))
                .map(|image| (&*entities[image.entity], image))
                .collect();
            let times = if batch.delivery == Delivery::Twice { 2 } else { 1 };
            for _ in 0..times {
                changes.extend(oracle::written(&delivered));
            }
            images.extend(taken.iter().map(|image| (entities[image.entity].clone(), image.clone())));
        }
        (changes, images)
    }
}
