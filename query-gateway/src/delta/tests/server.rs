//! Versions of views that are kept in a PostgreSQL, until it is a store of the gateway: what the writer and the filling do of
//! them there, and no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgRow};
use test_prerequisites::postgres;

use crate::{
    catalog::{Column, Relation},
    delta::{
        plan::NodeId,
        statements::{Driver, Progress, Version, base_clear, base_triggers, indexes},
    },
    sql::{
        Dialect,
        relational::SourceId,
        text::{POSTGRES_SESSION, quoted},
    },
};

/// Removes what sessions that are gone have left.
const LEFT: &str = r"DO $$
    DECLARE gone name;
    BEGIN
        FOR gone IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^_s[0-9]+$'
            AND substr(nspname, 3)::integer NOT IN (SELECT pid FROM pg_stat_activity)
        LOOP EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', gone); END LOOP;
    END $$";

/// A session with tables and views in a schema of its own.
pub(crate) struct Server {
    connection: PgConnection,
    schema: String,
    kept: Vec<Kept>,
    tracked: BTreeSet<String>,
    /// Whether nothing was taken of the block at hand.
    first: bool,
}

struct Kept {
    name: String,
    version: Version,
    progress: Vec<Progress>,
    /// Base tables that it reads, also through others.
    tables: BTreeSet<String>,
    /// What is called for a change of a table; none if nothing is.
    calls: HashMap<String, Option<String>>,
}

/// What a view could not follow.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// Which view.
    pub(crate) view: String,
    pub(crate) reason: String,
}

impl Server {
    /// None where there is no PostgreSQL.
    pub(crate) async fn open(test: &str) -> Option<Self> {
        let mut connection = postgres::connect(test).await?;
        let pid: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        let schema = format!("_s{pid}");
        let mut server = Self { connection, schema, kept: Vec::new(), tracked: BTreeSet::new(), first: true };
        server.run(LEFT).await.unwrap();
        for (name, value) in POSTGRES_SESSION.iter().chain(WRITER) {
            server.run(&format!("SET {name} = '{value}'")).await.unwrap();
        }
        Some(server)
    }

    /// With these tables, empty, and no view.
    pub(crate) async fn begin(&mut self, tables: impl IntoIterator<Item = &Relation>) {
        self.kept.clear();
        self.tracked.clear();
        let schema = self.schema.clone();
        let again = format!(
            "ROLLBACK; DISCARD TEMP; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema}"
        );
        self.run(&again).await.unwrap();
        for table in tables {
            self.run(&create(table)).await.unwrap();
        }
    }

    /// Creates the view of a version, of which nothing is filled; the columns of base tables are known by `columns`.
    pub(crate) async fn add(
        &mut self,
        name: &str,
        version: Version,
        columns: &BTreeMap<String, Vec<Column>>,
    ) {
        let nodes = (0..version.plan.nodes.len()).map(NodeId);
        let made = nodes.clone().flat_map(|node| {
            version.create(node).into_iter().chain(version.create_temporary(node)).collect::<Vec<_>>()
        });
        for statement in made.collect::<Vec<_>>() {
            self.run(&statement).await.unwrap_or_else(|error| panic!("{statement}\n{error}"));
        }
        let shown: Vec<String> = version.plan.nodes[version.plan.last().0].columns[..version.plan.shown]
            .iter()
            .map(|column| quoted(&column.label))
            .collect();
        let result = version.result();
        self.run(&format!("CREATE VIEW {} AS SELECT {} FROM {result}", quoted(name), shown.join(", ")))
            .await
            .unwrap();
        for index in indexes(&version) {
            let again = index.text.replacen("CREATE INDEX", "CREATE INDEX IF NOT EXISTS", 1);
            self.run(&again).await.unwrap_or_else(|error| panic!("{again}\n{error}"));
        }
        let mut tables: BTreeSet<String> = version.tables.iter().map(|(table, _)| table.clone()).collect();
        for table in tables.clone() {
            if self.tracked.insert(table.clone()) {
                for statement in
                    base_triggers(Dialect::Postgres, &table, &columns[&table].iter().collect::<Vec<_>>())
                {
                    self.run(&statement).await.unwrap_or_else(|error| panic!("{statement}\n{error}"));
                }
            }
        }
        for (_, reference) in &version.views {
            let read = self.kept.iter().find(|kept| kept.version.number == reference.number);
            tables.extend(read.unwrap().tables.clone());
        }
        let progress = nodes.map(|_| Progress::Empty).collect();
        let name = name.to_owned();
        self.kept.push(Kept { name, version, progress, tables, calls: HashMap::new() });
        // Who reads whom decides which images are noted.
        self.kept.iter_mut().for_each(|kept| kept.calls.clear());
    }

    /// Changes tables, one after another, in one transaction, with all that follows; nothing is changed if a view fails.
    pub(crate) async fn apply(&mut self, changes: &[(String, Vec<String>)]) -> Result<(), Failed> {
        self.run("BEGIN").await.unwrap();
        for (table, statements) in changes {
            for statement in statements {
                self.run(statement).await.unwrap_or_else(|error| panic!("{statement}\n{error}"));
            }
            if let Err(failed) = self.propagate(table).await {
                self.run("ROLLBACK").await.unwrap();
                // What was created in the transaction is gone.
                self.kept.iter_mut().for_each(|kept| kept.calls.clear());
                return Err(failed);
            }
        }
        self.run("COMMIT").await.unwrap();
        Ok(())
    }

    /// As when the process is started again: what was there for the session is gone.
    pub(crate) async fn reopen(&mut self, columns: &BTreeMap<String, Vec<Column>>) {
        self.run("DISCARD TEMP").await.unwrap();
        let versions: Vec<Version> = self.kept.iter().map(|kept| kept.version.clone()).collect();
        let nodes = versions.iter().flat_map(|version| {
            (0..version.plan.nodes.len()).flat_map(|node| version.create_temporary(NodeId(node)))
        });
        let tables = self.tracked.iter().flat_map(|table| {
            base_triggers(Dialect::Postgres, table, &columns[table].iter().collect::<Vec<_>>())
        });
        for statement in nodes.chain(tables).collect::<Vec<_>>() {
            self.run(&statement).await.unwrap_or_else(|error| panic!("{statement}\n{error}"));
        }
        self.kept.iter_mut().for_each(|kept| kept.calls.clear());
    }

    /// Whether there is a table or view of that name.
    pub(crate) async fn is_there(&mut self, name: &str) -> bool {
        let asked = format!("SELECT to_regclass('{}') IS NOT NULL", quoted(name));
        let rows = self.ask(&asked).await.unwrap();
        rows[0].get::<bool, _>(0)
    }

    async fn propagate(&mut self, table: &str) -> Result<(), Failed> {
        if !self.tracked.contains(table) {
            return Ok(());
        }
        for at in 0..self.kept.len() {
            if !self.kept[at].tables.contains(table) {
                continue;
            }
            if !self.kept[at].calls.contains_key(table) {
                let routine = self.routine(at, table);
                if let Some((create, _)) = &routine {
                    self.run(create).await.unwrap_or_else(|error| panic!("{create}\n{error}"));
                }
                self.kept[at].calls.insert(table.to_owned(), routine.map(|(_, call)| call));
            }
            if let Some(call) = self.kept[at].calls[table].clone() {
                let view = self.kept[at].name.clone();
                self.run(&call).await.map_err(|reason| Failed { view, reason })?;
            }
        }
        let clear = base_clear(Dialect::Postgres, table);
        self.run(&clear).await.map(drop).map_err(|reason| Failed { view: String::new(), reason })
    }

    fn routine(&self, at: usize, table: &str) -> Option<(String, String)> {
        let Kept { version, progress, .. } = &self.kept[at];
        let reads = |other: &Kept| other.version.views.iter().any(|(_, read)| read.number == version.number);
        let watched = self.kept.iter().any(reads);
        let moved = |name: &str| {
            let read = self.kept.iter().find(|kept| kept.name == name);
            read.is_some_and(|read| read.tables.contains(table))
        };
        let routine = version.program_routine(table, &moved, progress, watched)?;
        Some((routine.create, routine.call))
    }

    /// Gives up a view that failed, and all that read it: their names.
    pub(crate) async fn remove(&mut self, name: &str) -> BTreeSet<String> {
        let mut gone = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for kept in &self.kept {
            let reads = kept.version.views.iter().any(|(_, read)| numbers.contains(&read.number));
            if kept.name == name || reads {
                gone.insert(kept.name.clone());
                numbers.insert(kept.version.number);
            }
        }
        for kept in self.kept.iter().filter(|kept| gone.contains(&kept.name)) {
            let drop = format!("DROP VIEW {} CASCADE", quoted(&kept.name));
            sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut self.connection).await.unwrap();
        }
        self.kept.retain(|kept| !gone.contains(&kept.name));
        self.kept.iter_mut().for_each(|kept| kept.calls.clear());
        gone
    }

    /// One transaction's worth of filling, of `size` rows; whether everything is filled.
    pub(crate) async fn fill(&mut self, size: usize) -> Result<bool, Failed> {
        let is_open = |kept: &Kept| kept.progress.iter().any(|progress| *progress != Progress::Filled);
        let Some(at) = self.kept.iter().position(is_open) else { return Ok(true) };
        let open = self.kept[at].progress.iter().position(|progress| *progress != Progress::Filled);
        let node = NodeId(open.unwrap());
        self.run("BEGIN").await.unwrap();
        let next = match self.filled(at, node, size).await {
            Ok(next) => next,
            Err(reason) => {
                self.run("ROLLBACK").await.unwrap();
                return Err(Failed { view: self.kept[at].name.clone(), reason });
            }
        };
        self.run("COMMIT").await.unwrap();
        if let Some(progress) = next {
            self.first = true;
            self.kept[at].progress[node.0] = progress;
            self.kept[at].calls.clear();
        }
        Ok(!self.kept.iter().any(is_open))
    }

    /// The next progress of a node, unless a chunk was taken.
    async fn filled(&mut self, at: usize, node: NodeId, size: usize) -> Result<Option<Progress>, String> {
        let version = self.kept[at].version.clone();
        let Progress::Filling { block, leaf } = self.kept[at].progress[node.0] else {
            return self.begin_block(&version, node, 0).await.map(Some);
        };
        let chunk = version.take_chunk(node, block, leaf, self.first, size);
        let mut taken = 0;
        for (number, statement) in chunk.statements.iter().enumerate() {
            let affected = self.run(statement).await?;
            taken = if number == chunk.counted { affected } else { taken };
        }
        self.first = false;
        if taken == 0 {
            return self.begin_block(&version, node, block + 1).await.map(Some);
        }
        for statement in version.fill_chunk(node, block, leaf) {
            self.run(&statement).await?;
        }
        Ok(None)
    }

    async fn begin_block(
        &mut self,
        version: &Version,
        node: NodeId,
        block: usize,
    ) -> Result<Progress, String> {
        if block >= version.blocks(node) {
            for statement in version.end_blocks(node) {
                self.run(&statement).await?;
            }
            return Ok(Progress::Filled);
        }
        let mut best: Option<(i64, SourceId)> = None;
        for Driver { leaf, table } in version.drivers(node, block) {
            let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
            let rows =
                sqlx::query_scalar(count).persistent(false).fetch_one(&mut self.connection).await.unwrap();
            if best.is_none_or(|(most, _)| rows > most) {
                best = Some((rows, leaf));
            }
        }
        let (_, leaf) = best.unwrap();
        for statement in version.begin_block(node, block, leaf) {
            self.run(&statement).await?;
        }
        Ok(Progress::Filling { block, leaf })
    }

    /// How many rows a statement affects, or the message of its error.
    pub(crate) async fn run(&mut self, statement: &str) -> Result<u64, String> {
        match sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.connection).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(sqlx::Error::Database(error)) => Err(error.message().to_owned()),
            Err(error) => panic!("{error}\n{statement}"),
        }
    }

    /// What a query gives, as text.
    pub(crate) async fn ask(&mut self, query: &str) -> Result<Vec<PgRow>, String> {
        match sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(&mut self.connection).await {
            Ok(rows) => Ok(rows),
            Err(sqlx::Error::Database(error)) => Err(error.message().to_owned()),
            Err(error) => panic!("{error}\n{query}"),
        }
    }
}

/// Settings of a session that keeps views.
pub(crate) use crate::delta::statements::POSTGRES_WRITER as WRITER;

fn create(table: &Relation) -> String {
    let column = |column: &Column| {
        let collation = if column.ty == crate::catalog::Type::Text { " COLLATE \"C\"" } else { "" };
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("{} {}{collation}{null}", quoted(&column.name), column.ty)
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let key: Vec<String> = table.key.iter().map(|key| quoted(key)).collect();
    format!("CREATE TABLE {} ({}, PRIMARY KEY ({}))", quoted(&table.name), columns.join(", "), key.join(", "))
}
