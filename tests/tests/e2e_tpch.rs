//! TPC-H, maintained: queries in their official text as materialized views over a feed of all eight tables, each equal to
//! what PostgreSQL makes of the same text over the same rows, after every batch of inserts, deletes and updates.
//!
//! SCALE, COUNT (batches) and SEED come from the environment.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "in tests a panic is the report"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use mesh_tests::{
    clients::Clients,
    mesh::own_loopback_address,
    process::Process,
    publisher::Publisher,
    reference::Reference,
    rows::{Datum, RowChange},
    setting::setting,
    tpch_queries::{TpchQuery, tpch_queries},
    tpch_tables::{self, Order, PREFIX, key_width, place},
    wait,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use test_prerequisites::postgres;
use tributary_chassis::position::{Position, Positions};

/// Which share of the orders comes with a batch; half as many go.
const NEW: f64 = 0.02;
/// Which share of the rows of each table is updated by a batch.
const UPDATED: f64 = 0.05;
/// How many lines an order must have so that it can be one of a large volume.
const LARGE: usize = 7;

/// The tables as they are, and what may still happen to them.
struct Tables {
    random: StdRng,
    /// By table and key.
    rows: BTreeMap<String, BTreeMap<String, RowChange>>,
    /// Those that are there, as they were at first.
    orders: Vec<Order>,
    waiting: VecDeque<Order>,
    new: usize,
}

impl Tables {
    /// Half of the orders are there, with all that they refer to.
    fn begin(scale: f64, seed: u64) -> (Self, Vec<RowChange>) {
        let mut waiting: VecDeque<Order> = tpch_tables::orders(scale).into();
        let new = (waiting.len() as f64 * NEW).ceil() as usize;
        let mut tables = Self {
            random: StdRng::seed_from_u64(seed),
            rows: BTreeMap::new(),
            orders: Vec::new(),
            waiting: waiting.split_off(waiting.len() / 2),
            new,
        };
        let mut changes = tpch_tables::references(scale);
        changes.iter().for_each(|row| tables.set(row));
        waiting.into_iter().for_each(|order| tables.place_order(order, &mut changes));
        (tables, changes)
    }

    fn set(&mut self, row: &RowChange) {
        let rows = self.rows.entry(row.table.clone()).or_default();
        match row.deleted {
            true => rows.remove(&row.key),
            false => rows.insert(row.key.clone(), row.clone()),
        };
    }

    fn change(&mut self, row: RowChange, changes: &mut Vec<RowChange>) {
        self.set(&row);
        changes.push(row);
    }

    fn place_order(&mut self, order: Order, changes: &mut Vec<RowChange>) {
        for row in &order.rows {
            self.change(row.clone(), changes);
        }
        self.orders.push(order);
    }

    fn batch(&mut self) -> Vec<RowChange> {
        let mut changes = Vec::new();
        for order in self.waiting.drain(..self.new.min(self.waiting.len())).collect::<Vec<_>>() {
            self.place_order(order, &mut changes);
        }
        for _ in 0..self.new / 2 {
            let at = self.random.random_range(0..self.orders.len());
            let order = self.orders.swap_remove(at);
            for row in &order.rows {
                self.change(row.removed(key_width(&row.table)), &mut changes);
            }
            // As it was at first, it comes again later.
            self.waiting.push_back(order);
        }
        self.enlarge_an_order(&mut changes);
        for table in self.rows.keys().cloned().collect::<Vec<_>>() {
            self.update(&table, &mut changes);
        }
        changes
    }

    /// Some columns of some rows take the values of others.
    fn update(&mut self, table: &str, changes: &mut Vec<RowChange>) {
        let rows: Vec<RowChange> = self.rows[table].values().cloned().collect();
        let width = key_width(table);
        for _ in 0..(rows.len() as f64 * UPDATED).ceil() as usize {
            let mut row = rows[self.random.random_range(0..rows.len())].clone();
            for _ in 0..self.random.random_range(1..=3) {
                let other = &rows[self.random.random_range(0..rows.len())];
                let column = self.random.random_range(width..row.values.len());
                row.values[column] = other.values[column].clone();
            }
            self.change(row, changes);
        }
    }

    /// Hardly an order has a large volume by itself.
    fn enlarge_an_order(&mut self, changes: &mut Vec<RowChange>) {
        let large: Vec<usize> =
            (0..self.orders.len()).filter(|at| self.orders[*at].rows.len() > LARGE).collect();
        let order = self.orders[large[self.random.random_range(0..large.len())]].clone();
        let quantity = place("lineitem", "l_quantity");
        for line in &order.rows[1..] {
            let mut row = self.rows[&line.table][&line.key].clone();
            row.values[quantity] = Datum::Integer(50_00);
            self.change(row, changes);
        }
    }
}

/// The queries as a gateway keeps them and as PostgreSQL computes them.
struct Compared {
    clients: Clients,
    reference: Reference,
    queries: Vec<TpchQuery>,
    /// How many rows each query had over all batches.
    rows: BTreeMap<&'static str, usize>,
}

impl Compared {
    async fn check(&mut self, batch: usize, at: &Position) {
        let mut after = Positions::default();
        after.merge(at.clone());
        wait::until(&format!("batch {batch} is applied"), || async {
            let applied = self.clients.query_after("SELECT 1 AS one", &after).await;
            applied.map_err(|status| status.message().to_owned())
        })
        .await;
        for query in &self.queries {
            let name = query.name;
            let ask = async |sql: &str| {
                let answer = self.clients.query_after(sql, &after).await;
                let answer = answer.unwrap_or_else(|status| panic!("{name} after batch {batch}: {status:?}"));
                assert!(!answer.truncated, "{name} has more rows than one answer");
                (answer.columns.len(), answer.rows)
            };
            let all = format!("SELECT * FROM {name}");
            let (columns, mut ours) = ask(&all).await;
            let mut theirs = self.reference.ask(&all).await;
            *self.rows.entry(name).or_default() += theirs.iter().filter(|row| row[0] != "NULL").count();
            ours.sort();
            theirs.sort();
            assert_same(name, batch, &ours, &theirs);
            let read = query.read(columns);
            assert_same(name, batch, &ask(&read).await.1, &self.reference.ask(&read).await);
        }
    }
}

fn assert_same(name: &str, batch: usize, ours: &[Vec<String>], theirs: &[Vec<String>]) {
    if let Some(at) = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at)) {
        panic!(
            "{name} after batch {batch}: {} rows, PostgreSQL has {}; row {at} is {:?}, PostgreSQL has {:?}",
            ours.len(),
            theirs.len(),
            ours.get(at),
            theirs.get(at)
        );
    }
}

fn write_views(directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    let mut text = String::new();
    for (name, select) in tpch_tables::decimals() {
        text += &format!("CREATE VIEW {name} AS {select};\n");
    }
    for query in tpch_queries() {
        text += &format!("CREATE MATERIALIZED VIEW {} AS\n{};\n", query.name, query.select);
    }
    fs::write(directory.join("tpch.sql"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tpch_in_its_official_text_stays_exact() {
    let (scale, count, seed) = (setting("SCALE", 0.01), setting("COUNT", 5), setting("SEED", 1));
    let Some(connection) = postgres::connect("tpch_in_its_official_text_stays_exact").await else { return };
    let publisher = Publisher::serve("tpch", &tpch_tables::messages(), &own_loopback_address()).await;
    let mut reference = Reference::new(connection, publisher.tables()).await;
    let (mut tables, changes) = Tables::begin(scale, seed);
    publisher.write(&changes);
    publisher.show_all();
    reference.apply(&changes).await;

    let directory = tempfile::tempdir().unwrap();
    let views = directory.path().join("views");
    write_views(&views);
    for (name, select) in tpch_tables::decimals() {
        reference.run(&format!("CREATE VIEW {name} AS {select}")).await;
    }
    for query in tpch_queries() {
        reference.run(&format!("CREATE VIEW {} AS {}", query.name, query.select)).await;
    }
    let arguments = vec![publisher.source(), format!("--views={}", views.display())];
    let host = own_loopback_address();
    let gateway = Process::start_gateway(directory.path(), &host, arguments).await;
    let url = gateway.url();
    let clients = Clients::connect(|_| url.clone());
    for query in tpch_queries() {
        wait::until(&format!("{} is filled", query.name), || async {
            let sql = format!("SELECT * FROM {} LIMIT 1", query.name);
            clients.query(&sql).await.map_err(|status| status.message().to_owned())
        })
        .await;
    }

    let mut compared = Compared { clients, reference, queries: tpch_queries(), rows: BTreeMap::new() };
    compared.check(0, &publisher.show_all()).await;
    let (mut written, mut applying) = (0, Duration::ZERO);
    for batch in 1..=count {
        let changes = tables.batch();
        compared.reference.apply(&changes).await;
        let start = Instant::now();
        publisher.write(&changes);
        let at = publisher.show_all();
        compared.check(batch, &at).await;
        applying += start.elapsed();
        written += changes.len();
    }
    println!(
        "SCALE={scale} SEED={seed}: {count} batches of {} changes to {} rows, {} ms each with reading; rows compared: {:?}",
        written / count,
        tables.rows.values().map(BTreeMap::len).sum::<usize>(),
        applying.as_millis() / count as u128,
        compared.rows
    );
    for query in &compared.queries {
        assert!(compared.rows[query.name] > 0, "{} never had a row: nothing was compared", query.name);
    }
    assert!(tables.rows.keys().all(|table| table.starts_with(PREFIX)));
}
