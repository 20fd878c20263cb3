//! A view that is added over a million base rows while changes go on.

use std::{
    fs,
    time::{Duration, Instant},
};

use mesh_tests::shop5::VIEWS;
use serde_json::json;

use crate::{
    Settings,
    base::{Base, Keep},
    equal,
    gauge::rounded,
};

/// Changes are shown this often.
const TICK: Duration = Duration::from_millis(20);
/// So many each time: 1,000 a second.
const ROWS: u64 = 20;

/// Each view in turn, as the only one.
pub(crate) async fn measure(base: &Base, settings: Settings) {
    for (name, _) in VIEWS {
        added(base, name, settings).await;
    }
}

async fn added(base: &Base, name: &'static str, _: Settings) {
    base.extend(60_000);
    base.publisher.set_frame(usize::MAX);
    let before = base.start(Keep::None, &[]).await;
    let directory = before.directory.clone();
    drop(before);
    let mut running = base.start_from(&directory, Keep::Only(name), &[]).await;
    let (begun, mut shown, mut filled) = (Instant::now(), base.end, None);
    let mut slowest = Duration::ZERO;
    while filled.is_none() {
        let tick = Instant::now();
        shown = (shown + ROWS).min(base.publisher.written());
        running.wait_applied(&base.publisher.show(shown)).await;
        slowest = slowest.max(tick.elapsed());
        let read = running.clients.query(&format!("SELECT * FROM {name} LIMIT 1")).await;
        filled = read.is_ok().then(|| begun.elapsed());
        tokio::time::sleep_until((tick + TICK).into()).await;
    }
    let commits = running.logged("applied", "micros");
    running.process.terminate();
    let size =
        fs::metadata(running.directory.join("gateway/query.db")).map(|file| file.len()).unwrap_or_default();
    println!(
        "{}",
        json!({"bench": "add-view", "view": name, "exact_after_s": rounded(filled.unwrap_or_default().as_secs_f64(), 1),
            "changes_meanwhile": shown - base.end, "slowest_change_ms": slowest.as_millis(),
            "slowest_commit_ms": commits.iter().max().map(|micros| micros / 1000), "store_mb": size >> 20})
    );
    equal::check(base, &running.directory, &[name]).await;
}
