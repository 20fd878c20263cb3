//! A view that is added over a million base rows while changes go on.

use std::time::{Duration, Instant};

use mesh_tests::{clients::Clients, shop5::VIEWS};
use serde_json::json;
use tributary_proto::query::v1::CreateViewRequest;

use crate::{
    base::{Base, Keep, Running},
    equal,
    gauge::rounded,
};

/// A change is shown, and waited for, this often at most.
const TICK: Duration = Duration::from_millis(5);
/// So many rows each time.
const ROWS: u64 = 20;

/// Each view in turn, created by a call beside the one that is computed when it is read.
pub(crate) async fn measure(base: &Base) {
    base.extend(100_000);
    base.publisher.set_frame(usize::MAX);
    for (name, select) in VIEWS {
        let mut running = base.start(Keep::None, &[]).await;
        running.wait_applied(&base.publisher.show(base.end)).await;
        added(base, &mut running, name, select).await;
    }
}

async fn added(base: &Base, running: &mut Running, name: &str, select: &str) {
    let clients = running.clients.clone();
    let sql = format!("CREATE MATERIALIZED VIEW added_{name} AS {select}");
    let begun = Instant::now();
    let filling = tokio::spawn(async move { create(clients, sql, begun).await });
    let (mut shown, mut slowest) = (base.end, Duration::ZERO);
    while !filling.is_finished() {
        let tick = Instant::now();
        shown = (shown + ROWS).min(base.publisher.written());
        running.wait_applied(&base.publisher.show(shown)).await;
        slowest = slowest.max(tick.elapsed());
        tokio::time::sleep_until((tick + TICK).into()).await;
    }
    let exact = filling.await.unwrap();
    let commits = running.logged("applied", "micros");
    running.process.terminate();
    println!(
        "{}",
        json!({"bench": "add-view", "view": name, "base_rows": base.rows(), "exact_after_s": rounded(exact.as_secs_f64(), 2),
            "changes_meanwhile": shown - base.end, "slowest_to_visible_ms": slowest.as_millis(),
            "slowest_commit_ms": commits.iter().max().map(|micros| micros / 1000)})
    );
    equal::added(&running.place, name).await;
}

/// How long it takes until the view can be read.
async fn create(clients: Clients, sql: String, begun: Instant) -> Duration {
    let name = sql.split(' ').nth(3).unwrap().to_owned();
    clients.gateway.clone().create_view(CreateViewRequest { sql, ..Default::default() }).await.unwrap();
    while clients.query(&format!("SELECT * FROM {name} LIMIT 1")).await.is_err() {
        tokio::time::sleep(TICK).await;
    }
    begun.elapsed()
}
