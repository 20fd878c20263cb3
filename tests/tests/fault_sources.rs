//! What the gateway's metrics tell of a source that is away.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::time::{Duration, Instant};

use mesh_tests::{
    mesh::{Mesh, MeshOptions},
    metrics::Scraped,
    wait,
};
use nix::sys::signal::Signal;

/// What is told may be off by this much.
const TRUE_TO: f64 = 1.0;
/// For as long it is looked at.
const AWAY: Duration = Duration::from_secs(4);

async fn lag(mesh: &Mesh, source: &str) -> f64 {
    let scraped = Scraped::from(&mesh.gateway).await;
    scraped.value(&format!("tributary_source_lag_seconds{{source=\"{source}\"}}")).expect("its lag is known")
}

async fn is(mesh: &Mesh, source: &str, state: &str) -> Result<(), String> {
    let scraped = Scraped::from(&mesh.gateway).await;
    let sample = |state: &str| format!("tributary_source_state{{source=\"{source}\",state=\"{state}\"}}");
    match scraped.value(&sample(state)) {
        Some(1.0) => Ok(()),
        other => Err(format!("{source} is {state}: {other:?}")),
    }
}

/// Each lag that is read is held against the time since `gone`, before and behind the reading.
async fn grows(mesh: &Mesh, source: &str, gone: Instant) {
    while gone.elapsed() < AWAY {
        let before = gone.elapsed().as_secs_f64();
        let lag = lag(mesh, source).await;
        let behind = gone.elapsed().as_secs_f64();
        assert!(before <= lag && lag <= behind + TRUE_TO, "{lag} between {before} and {behind}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn wait_fresh(mesh: &Mesh, source: &str) {
    wait::until("nothing is old", async || match lag(mesh, source).await {
        lag if lag < TRUE_TO => Ok(()),
        lag => Err(lag.to_string()),
    })
    .await;
}

async fn mesh() -> Mesh {
    // So often is the time told that lag is counted from.
    let mesh = MeshOptions::default().service_flag("--feed-progress-interval", "100ms").start().await;
    mesh.clients().create_customer("ada", "EUROPE").await.unwrap();
    mesh.clients().wait_caught_up().await;
    wait::until("customers is live", || is(&mesh, "customers", "LIVE")).await;
    mesh
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_what_a_dead_source_sent_is_true_to_a_second() {
    let mut mesh = mesh().await;
    mesh.customers.kill();
    let gone = Instant::now();
    grows(&mesh, "customers", gone).await;
    wait::until("the gateway knows", || is(&mesh, "customers", "DISCONNECTED")).await;
    assert!(lag(&mesh, "catalog").await < TRUE_TO, "others are as they were");
    mesh.customers.restart().await;
    wait::until("customers is live", || is(&mesh, "customers", "LIVE")).await;
    wait_fresh(&mesh, "customers").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_what_a_silent_source_sent_is_true_to_a_second() {
    let mesh = mesh().await;
    mesh.customers.signal(Signal::SIGSTOP);
    let gone = Instant::now();
    grows(&mesh, "customers", gone).await;
    mesh.customers.signal(Signal::SIGCONT);
    wait_fresh(&mesh, "customers").await;
}
