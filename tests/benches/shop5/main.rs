//! Five views over four tables while their rows change: `make bench BENCH=shop-5`, which has `long-history` as its end,
//! `add-view` or `point-queries`.
//!
//! A real gateway follows a feed in this process; what a batch is, is what a frame has. ROWS is the history in front of
//! what is measured, LONG the one that it is compared with (0: none), PERCENT of the usual rows are measured, SEED. STORE=sqlite or
//! STORE=postgresql is that of the gateway; `shop-5` and `point-queries` are measured in both without it, the rest in SQLite.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints"
)]

mod add_view;
mod base;
mod equal;
mod gauge;
mod point_queries;
mod recompute;
mod sustained;

use std::path::Path;

use mesh_tests::{setting::setting, shop5::ORDER_DETAILS};
use serde_json::json;
use test_prerequisites::postgres;

use self::base::{Base, Keep};

/// With customers and products, this history leaves a million rows.
const MILLION: usize = 1_000_000;

/// What the environment says.
#[derive(Clone, Copy, Debug)]
struct Settings {
    history: usize,
    long: usize,
    percent: usize,
    seed: u64,
}

#[tokio::main]
async fn main() {
    let wanted = std::env::var("BENCH").unwrap_or_default();
    let wants = |name: &str| wanted == name || wanted.is_empty() || wanted == "all";
    let settings = Settings {
        history: setting("ROWS", 700_000),
        long: setting("LONG", 3_000_000),
        percent: setting("PERCENT", 100),
        seed: setting("SEED", 1),
    };
    println!("{settings:?}, {} cores", std::thread::available_parallelism().unwrap().get());
    let root = tempfile::tempdir().unwrap();
    let only = std::env::var("STORE").unwrap_or_default();
    if only.is_empty() || only == "sqlite" {
        let base = self::base(root.path(), "base", None, settings.history, settings).await;
        if wants("shop-5") {
            shop5(&base, settings).await;
            recompute::measure(&base).await;
        }
        if settings.long > 0 && (wants("shop-5") || wants("long-history")) {
            long_history(&base, settings).await;
        }
        if wants("add-view") {
            let rows = settings.history.max(MILLION);
            add_view::measure(&self::base(root.path(), "million", None, rows, settings).await).await;
        }
        if wants("point-queries") {
            point_queries::measure(&base, settings).await;
        }
    }
    if (only.is_empty() || only == "postgresql") && (wants("shop-5") || wants("point-queries")) {
        let Some(database) = postgres::database("shop-5 in PostgreSQL").await else { return };
        let base = self::base(root.path(), "database", Some(database), settings.history, settings).await;
        if wants("shop-5") {
            shop5(&base, settings).await;
        }
        if wants("point-queries") {
            point_queries::measure(&base, settings).await;
        }
    }
}

async fn base(root: &Path, name: &str, database: Option<String>, rows: usize, settings: Settings) -> Base {
    let base = Base::fill(root, name, database, rows, settings.seed).await;
    println!(
        "{}",
        json!({"bench": "fill", "store": base.store(), "rows_of_history": rows, "snapshot_s": base.snapshot, "views_s": base.views})
    );
    base
}

async fn shop5(base: &Base, settings: Settings) {
    let rows = |rows: usize| (rows * settings.percent / 100).max(100);
    let all = Keep::All;
    for (batch, measured) in [(1, 3_000), (100, 30_000), (1000, 100_000), (5000, 150_000)] {
        sustained::measure(base, all, Some(batch), rows(measured)).await;
    }
    let adaptive = sustained::measure(base, all, None, rows(200_000)).await;
    equal::check(base, &adaptive).await;
    for batch in [Some(1000), None] {
        sustained::measure(base, Keep::AllBut(ORDER_DETAILS), batch, rows(100_000)).await;
    }
    sustained::measure(base, Keep::None, Some(1000), rows(100_000)).await;
}

/// The same cost in front of a longer history: in turns, so that both meet the same machine.
async fn long_history(base: &Base, settings: Settings) {
    let long = self::base(base.root(), "long", None, settings.long, settings).await;
    let rows = (50_000 * settings.percent / 100).max(100);
    for keep in [Keep::All, Keep::AllBut(ORDER_DETAILS)] {
        for _ in 0..2 {
            sustained::measure(base, keep, Some(1000), rows).await;
            sustained::measure(&long, keep, Some(1000), rows).await;
        }
    }
}
