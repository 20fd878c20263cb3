//! A library to keep views of: keys of text, of two columns, of bigint and of bytea; columns of every type.

use std::{collections::HashMap, sync::Arc};

use crate::{
    catalog::{self, Catalog, Kind, Relation, Type},
    delta::{
        self, Context, Plan,
        plan::{Column, Node, NodeId},
        statements::Version,
    },
    sql::{self, Dialect, SqlError, relational::Query},
    store::maintained,
};

/// Name, how many of the first columns are the key, and the columns; `?` behind a type: it can be NULL.
const TABLES: &[(&str, usize, &str)] = &[
    (
        "books",
        1,
        "book_id text, title text, genre text?, pages bigint, weight double?, added timestamptz?, rare boolean, tags jsonb",
    ),
    (
        "loans",
        2,
        "branch text, number bigint, book_id text?, reader_id bigint?, days bigint, fee bigint?, taken timestamptz",
    ),
    ("readers", 1, "reader_id bigint, name text?, town text, card bytea?"),
    ("covers", 1, "image bytea, book_id text?, height bigint"),
];

pub(super) fn tables() -> Vec<Relation> {
    TABLES.iter().map(|(name, key, columns)| table(name, *key, columns)).collect()
}

fn table(name: &str, key: usize, columns: &str) -> Relation {
    let column = |text: &str| {
        let (name, ty) = text.split_once(' ').unwrap();
        let ty = match ty.trim_end_matches('?') {
            "text" => Type::Text,
            "bigint" => Type::Bigint,
            "double" => Type::Double,
            "timestamptz" => Type::Timestamptz,
            "boolean" => Type::Bool,
            "bytea" => Type::Bytea,
            "jsonb" => Type::Jsonb,
            other => panic!("{other}"),
        };
        catalog::Column { name: name.to_owned(), ty, nullable: text.ends_with('?') }
    };
    let columns: Vec<_> = columns.split(", ").map(column).collect();
    let key = columns[..key].iter().map(|column| column.name.clone()).collect();
    let kind = Kind::Base { source: "library".to_owned(), entity: name.to_owned(), parent: None };
    Relation { name: name.to_owned(), columns, key, kind }
}

/// The views of some text, over the library and over each other.
pub(crate) struct Views {
    pub(super) catalog: Catalog,
    plain: HashMap<String, Query>,
    /// The number of the next version.
    next: i64,
    /// Those that are materialized, in order.
    pub(super) versions: Vec<(String, Version)>,
}

impl Views {
    pub(super) fn of(text: &str) -> Result<Self, SqlError> {
        Self::for_store(text, Dialect::Sqlite)
    }

    pub(super) fn for_store(text: &str, dialect: Dialect) -> Result<Self, SqlError> {
        let catalog = Catalog::of(dialect).with(|_| false, tables().into_iter().map(Arc::new));
        let mut views = Self { catalog, plain: HashMap::new(), versions: Vec::new(), next: 1 };
        sql::parse_views(text)?.views.iter().try_for_each(|view| views.add(view))?;
        Ok(views)
    }

    /// The version of a view.
    pub(crate) fn version_of(&self, name: &str) -> &Version {
        self.versions.iter().find(|(view, _)| view == name).map(|(_, version)| version).unwrap()
    }

    pub(crate) fn add(&mut self, view: &sql::ViewDefinition) -> Result<(), SqlError> {
        let compiled = sql::compile_view(view, &self.catalog)?;
        let relation = if view.materialized {
            let plan =
                delta::compile(&compiled.query, Context { catalog: &self.catalog, plain: &self.plain })?;
            let version = self.version(plan);
            let relation = maintained::relation(&view.name, &version);
            self.versions.push((view.name.clone(), version));
            relation
        } else {
            let relation = Relation::view(&view.name, compiled.columns.clone(), compiled.types());
            self.plain.insert(view.name.clone(), compiled.query);
            relation
        };
        self.catalog = self.catalog.with(|_| false, [relation.into()]);
        Ok(())
    }

    fn version(&mut self, plan: Plan) -> Version {
        let (mut tables, mut views) = (Vec::new(), Vec::new());
        for name in plan.relations() {
            match self.versions.iter().find(|(view, _)| view == name) {
                Some((_, version)) => views.push((name.to_owned(), version.reference())),
                None => {
                    let key = self.catalog.get(name).unwrap().key_columns();
                    let key = key.map(|(column, ty)| Column::named(column, ty)).collect();
                    tables.push((name.to_owned(), key));
                }
            }
        }
        self.next += 1;
        Version { number: self.next - 1, dialect: self.catalog.dialect, plan, views, tables }
    }

    /// The plan of the last view.
    pub(super) fn plan(self) -> Plan {
        self.versions.into_iter().next_back().unwrap().1.plan
    }
}

/// The plan of a materialized view of this SELECT, or why there is none.
pub(super) fn compiled(select: &str) -> Result<Plan, SqlError> {
    Views::of(&format!("CREATE MATERIALIZED VIEW kept AS {select}")).map(Views::plan)
}

pub(super) fn plan(select: &str) -> Plan {
    compiled(select).unwrap_or_else(|error| panic!("{select}\n{error}"))
}

/// The kind of each node.
pub(super) fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.nodes.iter().map(Node::kind).collect()
}

pub(super) fn last(plan: &Plan) -> &Node {
    let NodeId(at) = plan.last();
    &plan.nodes[at]
}
