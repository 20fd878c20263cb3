//! What the same costs without maintenance: every view computed again for each batch.

use std::time::Instant;

use mesh_tests::{reference::Reference, shop5::VIEWS};
use serde_json::json;
use test_prerequisites::postgres;

use crate::{
    base::{Base, Keep},
    equal::Store,
    gauge::rounded,
};

/// Rows of a batch.
const BATCH: usize = 1000;
/// How often each is measured.
const ROUNDS: usize = 3;

pub(crate) async fn measure(base: &Base) {
    tell("delete and fill again in SQLite", sqlite(base).await);
    if let Some(connection) = postgres::connect("REFRESH MATERIALIZED VIEW").await {
        tell("REFRESH MATERIALIZED VIEW in PostgreSQL", postgresql(base, connection).await);
    }
}

fn tell(how: &str, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    println!(
        "{}",
        json!({"bench": "recompute", "how": how, "batch": BATCH, "s_per_batch": rounded(median, 2),
            "rows_per_s": (BATCH as f64 / median).round()})
    );
}

/// By the SQL that the gateway makes of the views when they are computed as they are read.
async fn sqlite(base: &Base) -> Vec<f64> {
    let mut running = base.start(Keep::None, &[]).await;
    running.wait_views().await;
    running.process.terminate();
    let mut store = Store::open(&running.place).await;
    for (name, _) in VIEWS {
        store.execute(format!("CREATE TABLE kept_{name} AS SELECT * FROM {name} LIMIT 0")).await;
        fill(&mut store, name).await;
    }
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for (name, _) in VIEWS {
            fill(&mut store, name).await;
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds
}

async fn fill(store: &mut Store, name: &str) {
    let fill = "BEGIN; DELETE FROM kept_{name}; INSERT INTO kept_{name} SELECT * FROM {name}; COMMIT";
    store.execute(fill.replace("{name}", name)).await;
}

/// With the batch, by upserts.
async fn postgresql(base: &Base, connection: sqlx::PgConnection) -> Vec<f64> {
    let mut reference = Reference::new(connection, base.publisher.tables()).await;
    base.extend(BATCH * ROUNDS);
    let changes = base.changes.borrow().clone();
    let (history, behind) = changes.split_at(base.end as usize);
    reference.apply(history).await;
    reference.run("CREATE INDEX ON orders (customer_id); CREATE INDEX ON order_lines (order_id); CREATE INDEX ON order_lines (product_id); ANALYZE").await;
    for (name, select) in VIEWS {
        reference.run(&format!("CREATE MATERIALIZED VIEW {name} AS {select}")).await;
    }
    let mut seconds = Vec::new();
    for batch in behind.chunks(BATCH).take(ROUNDS) {
        let begun = Instant::now();
        reference.apply(batch).await;
        for (name, _) in VIEWS {
            reference.run(&format!("REFRESH MATERIALIZED VIEW {name}")).await;
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds
}
