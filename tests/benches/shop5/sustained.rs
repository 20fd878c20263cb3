//! Changes at full speed: how many rows a second, and what each costs.

use serde_json::json;

use crate::{
    base::{Base, Keep, Place},
    gauge::{self, Gauge, rounded},
};

/// Applied before the clock starts: a part of the pages that are used is in memory then.
const WARM: u64 = 10_000;

/// Applies `rows` rows behind the history in batches of `batch`, or of as many as there are. Gives the store of the gateway,
/// which has ended.
pub(crate) async fn measure(base: &Base, keep: Keep, batch: Option<usize>, rows: usize) -> Place {
    let warm = WARM.min(rows as u64 * 2);
    base.extend(rows + warm as usize);
    let flags = batch.map(|batch| format!("--batch-limit={batch}"));
    base.publisher.set_frame(usize::MAX);
    let mut running = base.start(keep, flags.as_slice()).await;
    running.wait_views().await;
    running.wait_applied(&base.publisher.show(base.end + warm)).await;
    base.publisher.set_frame(batch.unwrap_or(usize::MAX));
    let server = running.place.server();
    let (begun, applied) = (Gauge::read(&running.process, server), running.logged("applied", "micros").len());
    let end = base.publisher.show(base.end + warm + rows as u64);
    running.wait_applied(&end).await;
    let used = begun.until(Gauge::read(&running.process, server));
    let mut commits = running.logged("applied", "micros").split_off(applied);
    let changes = running.logged("applied", "changes").split_off(applied);
    commits.sort_unstable();
    let at = |share: usize| rounded(commits[(commits.len() - 1) * share / 100] as f64 / 1000.0, 2);
    println!(
        "{}",
        json!({"bench": "shop-5", "store": base.store(), "kept": format!("{keep:?}"), "batch": batch.map_or("adaptive".to_owned(), |n| n.to_string()),
            "history": base.end, "rows": rows, "rows_per_s": (rows as f64 / used.seconds).round(),
            "cpu_us_per_row": rounded(used.cpu_seconds * 1e6 / rows as f64, 1),
            "kb_per_row": rounded(used.written as f64 / 1024.0 / rows as f64, 2),
            "commit_ms_p50": at(50), "commit_ms_p99": at(99), "commits": commits.len(),
            "largest_batch": changes.iter().max(), "peak_mb": gauge::peak(&running.process) >> 20,
            "resident_mb": running.process.resident_bytes() >> 20})
    );
    running.process.terminate();
    running.place
}
