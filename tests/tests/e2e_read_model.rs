//! The shop's read model against plain Rust: a test plays all six services, with the messages of their contracts, and each
//! insight is what is computed from what they published.
//!
//! COUNT batches of changes, drawn from SEED.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "in tests a panic is the report"
)]

use std::{fs, path::Path};

use mesh_tests::{
    mesh::project_file,
    read_model::{Cast, History, Played, Script, compare},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use test_prerequisites::postgres::is_on_postgres;

const API: &str = "proto/shop/shop/insights/v1/insights.proto";

/// What somebody could get wrong: a file, and what stands in it for what.
const MUTANTS: [(&str, &str, &str); 13] = [
    ("daily_sales.sql", "o.state <> 'CANCELLED'", "o.state <> 'CANCELLING'"),
    ("customer_overview.sql", "state <> 'CANCELLED'", "state NOT IN ('CANCELLED', 'CANCELLING')"),
    ("repeat_customers.sql", "f.first_month < m.month", "f.first_month <= m.month"),
    ("repeat_customers.sql", "date_trunc('month'", "date_trunc('day'"),
    ("cancelled_orders.sql", "state = 'CANCELLED'", "state IN ('CANCELLED', 'CANCELLING')"),
    ("fulfilment_times.sql", "ceil(", "floor("),
    ("fulfilment_times.sql", "s.dispatch_time - o.confirm_time", "s.dispatch_time - o.create_time"),
    ("payment_outcomes.sql", "'UNKNOWN'", "''"),
    (API, "arrived_by * 2 >= arrived", "arrived_by * 2 > arrived"),
    (API, "BETWEEN w.first_day AND w.last_day", "BETWEEN w.first_day - interval '1 day' AND w.last_day"),
    (API, "state IN ('PENDING', 'DISPATCHED')", "state IN ('PENDING')"),
    (API, " LEFT JOIN payments AS p", " JOIN payments AS p"),
    (
        API,
        "'unit_price_minor', l.unit_price_minor_units) ORDER BY l.ordinal",
        "'unit_price_minor', l.unit_price_minor_units) ORDER BY l.sku",
    ),
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_insight_follows_a_random_history() {
    let count = number("COUNT").unwrap_or(20);
    let seed = number("SEED").unwrap_or_else(rand::random);
    println!("COUNT={count} SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut history = History::new(StdRng::seed_from_u64(random.random()));
    let mut shop = Played::start().await;
    let mut alike = compare(&shop).await.unwrap();
    for batch in 1..=count {
        for _ in 0..random.random_range(1..80) {
            history.step(&mut shop.cast);
        }
        shop.cast.show();
        alike += compare(&shop).await.unwrap_or_else(|why| panic!("SEED={seed}, batch {batch}: {why}"));
    }
    println!("SEED={seed}: {alike} rows and messages alike behind {count} batches of {:?}", history.made);
}

/// The comparison can fail: by each of these mistakes, of which none is in the files.
#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_view_or_a_query_is_noticed() {
    for mutant in MUTANTS {
        let directory = tempfile::tempdir().unwrap();
        let script = with_mistake(directory.path(), mutant);
        let mut cast = Cast::assemble().await;
        let mut history = History::new(StdRng::seed_from_u64(1));
        for _ in 0..2000 {
            history.step(&mut cast);
        }
        cast.show();
        let shop = Played::start_with(cast, &script).await;
        let difference = compare(&shop).await.expect_err(mutant.2);
        println!("{:?}: {}", mutant.2, difference.lines().next().unwrap_or_default());
    }
}

/// Copies of the files, one of them with the mistake.
fn with_mistake(directory: &Path, (file, right, wrong): (&str, &str, &str)) -> Script {
    let (views, api) = (directory.join("views"), directory.join("insights.proto"));
    fs::create_dir(&views).unwrap();
    let mut made = 0;
    let mut copy = |name: &str, text: String, to: &Path| {
        let mistaken = if name == file { text.replace(right, wrong) } else { text.clone() };
        made += usize::from(mistaken != text);
        fs::write(to, mistaken).unwrap();
    };
    let Script { views: originals, .. } = Script::default();
    for entry in fs::read_dir(originals).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        copy(name, fs::read_to_string(&path).unwrap(), &views.join(name));
    }
    copy(API, project_file(API), &api);
    assert_eq!(made, 1, "{file} has {right}");
    Script { views, api }
}

/// What each step of a plan that reads a whole table reads.
fn scanned(explained: &str) -> Vec<String> {
    let steps: Vec<&str> = explained.lines().map(str::trim).collect();
    let made: Vec<_> = steps.iter().filter_map(|step| step.strip_prefix("CO-ROUTINE ")).collect();
    let in_postgres = |step: &str| step.split_once("Seq Scan on ").map(|(_, table)| table.to_owned());
    let scans = steps.iter().filter_map(|step| step.strip_prefix("SCAN "));
    // Rows that were just looked up are no table.
    let scans = scans.filter(|name| *name != "CONSTANT ROW" && !made.contains(name)).map(str::to_owned);
    scans.chain(steps.iter().filter_map(|step| in_postgres(step))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_one_customer_or_order_is_found_by_an_index() {
    let shop = Played::start().await;
    let explain = async |method: &str| shop.explain(&format!("shop.insights.v1.Insights/{method}")).await;
    for method in ["Customer360", "OrderDetails"] {
        let explained = explain(method).await;
        let found = ["SEARCH", "Index Cond"].iter().any(|step| explained.contains(step));
        assert!(scanned(&explained).is_empty() && found, "{explained}");
    }
    if is_on_postgres(env!("CARGO_CRATE_NAME")) {
        // How it joins depends on the sizes of tables, which are empty here.
        return;
    }
    // Of these one branch is for one, and the other, which does not begin if one was asked for, for all.
    let explained = explain("CustomerOverview").await;
    let (one, all) = explained.split_once("RIGHT").unwrap_or_else(|| panic!("{explained}"));
    assert!(scanned(one).is_empty() && one.contains("(customer_id=?)"), "{explained}");
    assert_eq!(scanned(all).len(), 1, "{explained}");
    let explained = explain("StockCover").await;
    for step in [
        "SEARCH t1 USING PRIMARY KEY (sku=?)",
        "_sku_day_idx (k0=? AND k1>? AND k1<?)",
        "_orders_order_time_idx",
    ] {
        assert!(explained.contains(step), "{step}: {explained}");
    }
    assert_eq!(scanned(&explain("TopProducts").await).len(), 1, "what is read whole is noticed");
}
