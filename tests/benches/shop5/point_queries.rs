//! One row of a view by its key, while changes arrive at full speed.

use std::time::{Duration, Instant};

use mesh_tests::shop5::CUSTOMERS;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use crate::{
    Settings,
    base::{Base, Keep},
    gauge::rounded,
};

/// Rows that are on their way meanwhile.
const ROWS: usize = 200_000;

pub(crate) async fn measure(base: &Base, settings: Settings) {
    let rows = (ROWS * settings.percent / 100).max(1000);
    base.extend(rows);
    base.publisher.set_frame(usize::MAX);
    let mut running = base.start(Keep::All, &[]).await;
    running.wait_views().await;
    for busy in [false, true] {
        let asked = running.logged("answered", "micros").len();
        let (begun, end) =
            (Instant::now(), base.publisher.show(base.end + if busy { rows as u64 } else { 0 }));
        let mut random = StdRng::seed_from_u64(settings.seed);
        let mut outside = Vec::new();
        let until = if busy { Duration::MAX } else { Duration::from_secs(3) };
        let applied = running.wait_applied(&end);
        tokio::pin!(applied);
        let mut done = false;
        while begun.elapsed() < until && !done {
            let sql = format!(
                "SELECT * FROM customer_360 WHERE customer_id = {}",
                random.random_range(0..CUSTOMERS)
            );
            let asked = Instant::now();
            assert_eq!(running.clients.query(&sql).await.unwrap().rows.len(), 1);
            outside.push(asked.elapsed().as_micros() as u64);
            done = busy && futures::poll!(&mut applied).is_ready();
        }
        let seconds = begun.elapsed().as_secs_f64();
        let inside = running.logged("answered", "micros").split_off(asked);
        println!(
            "{}",
            json!({"bench": "point-queries", "store": base.store(), "changes_per_s": if busy { (rows as f64 / seconds).round() } else { 0.0 },
                "queries": outside.len(), "inside_ms": percentiles(inside), "with_gRPC_ms": percentiles(outside)})
        );
    }
    running.process.terminate();
}

fn percentiles(mut micros: Vec<u64>) -> serde_json::Value {
    micros.sort_unstable();
    let at = |share: usize| rounded(micros[(micros.len() - 1) * share / 1000] as f64 / 1000.0, 2);
    json!({"p50": at(500), "p99": at(990), "max": at(1000)})
}
