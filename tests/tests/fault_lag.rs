//! How far behind a follower is, while it stands still or is gone: as its source's metrics show it, and as it says
//! itself when it is back.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::time::Duration;

use mesh_tests::{
    clients::{Answer, Clients},
    mesh::Mesh,
    wait,
};
use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout};
use tributary_chassis::position::Positions;

/// For how long the gateway is stopped.
const STOP: Duration = Duration::from_secs(10);
/// What a lag may be off by.
const TRUE_TO: Duration = Duration::from_secs(1);
/// How often sources tell that there is nothing new: who has everything may have been outdated since.
const TOLD: Duration = Duration::from_secs(1);

/// What customers was given to write since the gateway stood still, and when each was acknowledged.
struct Written {
    /// The sequence before.
    from: u64,
    times: Vec<Instant>,
}

impl Written {
    /// How far behind a follower is at `sequence`: in changes, and since when.
    fn behind(&self, sequence: u64) -> (u64, Duration) {
        let missing = self.times.iter().skip((sequence - self.from) as usize);
        let since = missing.clone().next().map_or(Duration::ZERO, Instant::elapsed);
        (missing.count() as u64, since)
    }

    /// Writes until the gateway has been stopped for long enough, and holds what customers shows to that.
    async fn write(&mut self, mesh: &Mesh, clients: &Clients) {
        let stopped = Instant::now();
        while stopped.elapsed() < STOP {
            for _ in 0..20 {
                let id = format!("late-{}", self.times.len());
                clients.create_customer(&id, "ASIA").await.unwrap();
                self.times.push(Instant::now());
            }
            let (changes, seconds) = gateway_at(mesh).await;
            let (missing, since) = self.behind(self.from);
            assert_eq!(changes, missing);
            assert!(seconds.abs_diff(since) < TRUE_TO, "{seconds:?} behind, and it is {since:?}");
        }
    }

    /// Holds what the gateway says of itself to it, until it has caught up; gives how far behind it was at most.
    async fn catch_up(&self, clients: &Clients) -> Duration {
        let mut most = Duration::ZERO;
        let asking = async {
            loop {
                let asked = Instant::now();
                let Ok(answer) = clients.query("SELECT 1 AS one").await else { continue };
                let took = asked.elapsed();
                let Some((sequence, lag)) = of_customers(&answer) else { continue };
                let (missing, since) = self.behind(sequence);
                let off = lag.abs_diff(since).saturating_sub(if missing == 0 { TOLD } else { took });
                assert!(off < TRUE_TO, "says {lag:?} at {sequence}, and it is {since:?}");
                most = most.max(lag);
                if missing == 0 {
                    return;
                }
            }
        };
        timeout(wait::PATIENCE, asking).await.expect("it catches up");
        most
    }
}

/// What customers shows of the gateway: how many changes it is behind, and since when.
async fn gateway_at(mesh: &Mesh) -> (u64, Duration) {
    let metrics = mesh.customers.metrics().await;
    let value = |name: &str| -> f64 {
        let series = format!("tributary_feed_consumer_{name}{{consumer=\"query-gateway\"");
        let line =
            metrics.lines().find(|line| line.starts_with(&series)).unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    (value("lag") as u64, Duration::from_secs_f64(value("lag_seconds")))
}

/// What an answer says of customers: the sequence, and how old that may be, once the source has told its clock.
fn of_customers(answer: &Answer) -> Option<(u64, Duration)> {
    let part = answer.as_of.split(", ").find(|part| part.starts_with("customers/"))?;
    let (position, rest) = part.split_once(';')?;
    let sequence = position.rsplit_once('/')?.1.parse().unwrap();
    let lag_ms = rest.split(';').find_map(|field| field.strip_prefix("lag_ms="))?;
    Some((sequence, Duration::from_millis(lag_ms.parse().unwrap())))
}

/// The gateway has all of customers, and customers knows.
async fn caught_up(mesh: &Mesh, clients: &Clients) -> Written {
    let heads: Positions = clients.wait_caught_up().await;
    wait::until("it is acknowledged", || async {
        let behind = gateway_at(mesh).await;
        if behind == (0, Duration::ZERO) { Ok(()) } else { Err(format!("{behind:?}")) }
    })
    .await;
    let from = heads.iter().find(|head| head.service == "customers").unwrap().sequence;
    Written { from, times: Vec::new() }
}

async fn mesh() -> (Mesh, Clients) {
    let mesh = Mesh::start().await;
    let clients = mesh.clients();
    clients.create_customer("first", "ASIA").await.unwrap();
    (mesh, clients)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stands_still_is_behind_by_that() {
    let (mesh, clients) = mesh().await;
    let mut written = caught_up(&mesh, &clients).await;
    mesh.gateway.signal(Signal::SIGSTOP);
    written.write(&mesh, &clients).await;
    mesh.gateway.signal(Signal::SIGCONT);
    let most = written.catch_up(&clients).await;
    eprintln!("{} writes, {most:?} behind at most", written.times.len());
    assert!(most > STOP - TRUE_TO, "it said so while it was: {most:?}");
    caught_up(&mesh, &clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_gone_is_behind_by_that() {
    let (mut mesh, clients) = mesh().await;
    let mut written = caught_up(&mesh, &clients).await;
    mesh.gateway.kill();
    written.write(&mesh, &clients).await;
    let (_, most) = tokio::join!(mesh.gateway.restart(), written.catch_up(&clients));
    eprintln!("{} writes, {most:?} behind at most", written.times.len());
    assert!(most > STOP - TRUE_TO, "it said so while it was: {most:?}");
    caught_up(&mesh, &clients).await;
}
