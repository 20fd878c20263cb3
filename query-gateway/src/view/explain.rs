//! How a view is kept: its plan, what is run for it, and how long that takes.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use tributary_chassis::fault::Fault;

use super::{View, ViewKind, Views, change};
use crate::{
    database::{Connection, Dialect, Error},
    delta::{
        explain::{self, ExplainedNode},
        plan::{Input, NodeId},
        statements::{IndexStatement, Version},
    },
    error::StoreError,
    store::{Maintained, Writing, indexes, objects, timings::Timing},
};

/// All that is to be told of a view.
#[derive(Clone, Debug)]
pub struct Explained {
    pub(crate) view: View,
    /// The statement by which it is read; empty as long as it cannot be.
    pub(crate) reads: String,
    /// What is kept; empty for a view that is computed when it is read.
    pub(crate) nodes: Vec<Node>,
    pub(crate) programs: Vec<Program>,
    /// Each with whether a user asked for it.
    pub(crate) indexes: Vec<(IndexStatement, bool)>,
}

/// What is kept.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) table: String,
    pub(crate) operator: &'static str,
    /// Names and types.
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) key: Vec<String>,
    pub(crate) inputs: Vec<String>,
    pub(crate) text: String,
}

/// What is run after a change of a base table.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) table: String,
    pub(crate) statements: Vec<String>,
    pub(crate) timing: Timing,
}

/// What is run when a view of that name is read; empty if there is none.
pub(super) async fn reads(writing: &mut Writing, name: &str) -> Result<String, StoreError> {
    let reads = objects::view(writing, name).await.map_err(StoreError::sql("reading a view"))?;
    Ok(reads.unwrap_or_default())
}

impl Views {
    /// How a view is kept. Of one that is being changed, what is to be.
    pub(crate) async fn explain(&self, name: &str) -> Result<Explained, Fault> {
        self.0.gateway.applying()?;
        let views = self.list();
        let is_view = |view: &&View| view.name == name && view.kind != ViewKind::Index;
        let Some(view) = views.iter().find(is_view).cloned() else {
            return Err(change::absent(&views, name));
        };
        let mut writing = self.0.gateway.store().write().await;
        let reads = reads(&mut writing, name).await?;
        let maintained = &writing.maintained;
        let kept = maintained.versions().iter().rfind(|kept| kept.name == name);
        let version = kept.map(|kept| kept.version.clone());
        let (nodes, programs) = match &version {
            Some(version) => (nodes(version), programs(maintained, version.number)),
            None => (Vec::new(), Vec::new()),
        };
        let mut tables: BTreeSet<String> = nodes.iter().map(|node| node.table.clone()).collect();
        tables.extend(programs.iter().map(|program| program.table.clone()));
        let indexes = indexes::on_tables(&mut writing.connection, &tables).await?;
        Ok(Explained { view, reads, nodes, programs, indexes })
    }
}

impl Views {
    /// How the store would go about a statement: a line for each step, those within another one further in. PostgreSQL is
    /// asked where it is answered, and of any values of its parameters, which are so many.
    pub(crate) async fn steps(&self, statement: &str, parameters: usize) -> Result<Vec<String>, Fault> {
        let (store, failed) = (self.0.gateway.store(), StoreError::sql("explaining a query"));
        Ok(match store.dialect() {
            Dialect::Sqlite => {
                explain_in_sqlite(&mut *store.write().await, statement).await.map_err(failed)?
            }
            Dialect::Postgres => {
                let mut reader = store.read().await?;
                explain_in_postgres(&mut reader, statement, parameters).await.map_err(failed)?
            }
        })
    }
}

async fn explain_in_sqlite(writing: &mut Writing, statement: &str) -> Result<Vec<String>, Error> {
    let explain = writing.composed(format!("EXPLAIN QUERY PLAN {statement}"));
    let steps: Vec<(i64, i64, i64, String)> = explain.all().await?;
    let mut depths: HashMap<i64, usize> = HashMap::new();
    let lines = steps.into_iter().map(|(id, around, _, step)| {
        // What is around a step is told before it; around the first ones is 0, which is no step.
        let depth = depths.get(&around).map_or(0, |depth| depth + 1);
        depths.insert(id, depth);
        format!("{}{step}", "  ".repeat(depth))
    });
    Ok(lines.collect())
}

async fn explain_in_postgres(
    reader: &mut Connection,
    statement: &str,
    parameters: usize,
) -> Result<Vec<String>, Error> {
    let mut tx = reader.snapshot().await?;
    tx.script("SET LOCAL plan_cache_mode = force_generic_plan").await?;
    tx.script(format!("PREPARE explained AS {statement}")).await?;
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let explain = tx.composed(format!("EXPLAIN (COSTS OFF) EXECUTE explained{arguments}")).keep(false);
    let lines = explain.all().await?;
    tx.script("DEALLOCATE explained").await?;
    tx.rollback().await?;
    Ok(lines)
}

fn nodes(version: &Version) -> Vec<Node> {
    let key = |input: &Input| version.key_labels(input);
    let explained = explain::Explained { plan: &version.plan, key: &key };
    let nodes = version.plan.nodes.iter().enumerate().map(|(at, node)| {
        let id = NodeId(at);
        let ty =
            |ty: Option<_>| ty.map_or_else(|| "any".to_owned(), |ty: crate::sql::types::Ty| ty.to_string());
        let mut inputs: Vec<String> = node.leaves().iter().map(|leaf| leaf.input.to_string()).collect();
        inputs.sort();
        inputs.dedup();
        Node {
            table: version.storage(&Input::Node(id)),
            operator: node.kind(),
            columns: node.columns.iter().map(|column| (column.label.clone(), ty(column.ty))).collect(),
            key: node.key_columns().map(|column| column.label.clone()).collect(),
            inputs,
            text: ExplainedNode(explained, id).to_string(),
        }
    });
    nodes.collect()
}

fn programs(maintained: &Maintained, number: i64) -> Vec<Program> {
    let timings = maintained.get(number).map(|kept| kept.timings.clone()).unwrap_or_default();
    let programs = maintained.programs(number).into_iter().map(|(table, statements)| Program {
        table: table.to_owned(),
        statements,
        timing: timings.of(table),
    });
    programs.collect()
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let View { name, file, state, reason, kind, sql, .. } = &self.view;
        let place = if file.is_empty() { "CreateView" } else { file };
        let how = match kind {
            ViewKind::Materialized => "materialized view",
            _ => "view",
        };
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        writeln!(f, "{how} {name}, defined by {place}, is {}{why}\n", state.as_str_name())?;
        writeln!(f, "  {sql}\n")?;
        if *kind == ViewKind::Computed {
            writeln!(f, "Nothing is kept of it: it is computed when it is read, by\n")?;
            return writeln!(f, "  {}", self.reads);
        }
        writeln!(f, "What is kept\n")?;
        for (at, node) in self.nodes.iter().enumerate() {
            write!(f, "node {at}: {}: {}", node.table, indented(&node.text))?;
            writeln!(f)?;
        }
        writeln!(f, "What is run after a change\n")?;
        for program in &self.programs {
            writeln!(f, "{program}")?;
        }
        writeln!(f, "Indexes\n")?;
        for (index, defined) in &self.indexes {
            writeln!(f, "  {}{}", index.text, if *defined { "  -- asked for" } else { "" })?;
        }
        if self.reads.is_empty() { Ok(()) } else { writeln!(f, "\nIt is read by\n\n  {}", self.reads) }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timing { runs, changes, total, longest } = self.timing;
        let each = |of: u64| total.checked_div(u32::try_from(of).unwrap_or(u32::MAX)).unwrap_or_default();
        writeln!(
            f,
            "{}: ran {runs} times for {changes} changed rows in {total:.1?}: {:.1?} a time, {:.1?} a row, {longest:.1?} at \
             most",
            self.table,
            each(runs),
            each(changes)
        )?;
        self.statements.iter().try_for_each(|statement| writeln!(f, "  {statement};"))
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.join("\n  ") + "\n"
}
