//! `kill -9` of the gateway at random moments while views are filled and replaced under load: whoever asks gets the rows of
//! one version, and after each restart there is exactly one exact version.
//!
//! COUNT kills, drawn from SEED. `make soak-views-kill COUNT=200` is the large form.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mesh_tests::{checker, clients::Clients, load::Load, mesh::Mesh, recompute, wait};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tonic::Code;
use tributary_proto::query::v1::{CreateViewRequest, ListViewsRequest, ViewState};

/// Replacements and kills of one mesh.
const KILLS_PER_MESH: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

/// What each view is, in its round: joins, groups, a look-up of the largest, and a view over a view.
fn selects(round: u64) -> [(&'static str, String); 3] {
    [
        (
            "kill_revenue",
            format!(
                "SELECT c.region, l.sku, SUM(l.quantity * l.unit_price_minor_units) AS revenue, COUNT(*) AS lines, \
                 MAX(o.order_id) AS latest, {round} AS round FROM orders o JOIN order_lines l ON l.order_id = o.order_id \
                 LEFT JOIN customers c ON c.customer_id = o.customer_id WHERE o.state <> 'CANCELLED' GROUP BY c.region, l.sku"
            ),
        ),
        (
            "kill_wide",
            format!(
                "SELECT l.order_id, l.ordinal, o.state, p.display_name, {round} AS round FROM order_lines l \
                 JOIN orders o ON o.order_id = l.order_id JOIN products p ON p.sku = l.sku"
            ),
        ),
        (
            "kill_regions",
            format!(
                "SELECT region, SUM(revenue) AS revenue, MIN(round) AS least, MAX(round) AS most, {round} AS round \
                 FROM kill_revenue GROUP BY region"
            ),
        ),
    ]
}

fn text(round: u64) -> String {
    let views = selects(round).map(|(name, select)| format!("CREATE MATERIALIZED VIEW {name} AS {select};"));
    format!("{} CREATE INDEX ON kill_revenue (region DESC);", views.join("\n"))
}

/// Asks for the views of a round; one that was just started again may have to stand by until its predecessor is gone.
async fn replaced(clients: &Clients, round: u64) {
    wait::until("the views are replaced", || async {
        let replaced = replace(clients, round).await;
        let passing = replaced.as_ref().err().is_none_or(|status| status.code() == Code::Unavailable);
        assert!(passing, "{replaced:?}");
        replaced
    })
    .await;
}

async fn replace(clients: &Clients, round: u64) -> Result<(), tonic::Status> {
    let request = CreateViewRequest { sql: text(round), replace: true };
    clients.gateway.clone().create_view(request).await.map(drop)
}

/// Waits until all are READY.
async fn ready(clients: &Clients) {
    wait::until("the views are ready", || async {
        let listed = clients.gateway.clone().list_views(ListViewsRequest {}).await;
        let views = listed.map_err(|status| status.to_string())?.into_inner().views;
        let waits: Vec<_> = views.iter().filter(|view| view.state() != ViewState::Ready).collect();
        if waits.is_empty() { Ok(()) } else { Err(format!("{waits:?}")) }
    })
    .await;
}

/// Whether each view holds what its query gives, computed from scratch in the same snapshot; tells its round.
async fn exact(clients: &Clients, rounds: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let asked = clients.query("SELECT MIN(round), MAX(round), COUNT(*) FROM kill_revenue").await;
    let asked = asked.map_err(|status| status.to_string())?;
    let [least, most, rows] = [0, 1, 2].map(|at| asked.rows[0][at].clone());
    if rows == "0" || least != most {
        return Err(format!("{rows} rows of rounds {least} to {most}"));
    }
    let round = least.parse().expect("a round");
    if !rounds.contains(&round) {
        return Err(format!("round {round} of {rounds:?}"));
    }
    for (name, select) in selects(round) {
        recompute::view(clients, name, &select).await?;
    }
    Ok(round)
}

/// Asks without end; every answer is of one version, and no version comes back. Gives how often there was one.
fn reader(clients: Clients, stop: Arc<AtomicBool>, answers: Arc<AtomicU64>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut latest = 0;
        while !stop.load(Ordering::Relaxed) {
            let sql = "SELECT MIN(round), MAX(round), COUNT(*) FROM kill_revenue";
            match tokio::time::timeout(Duration::from_secs(10), clients.query(sql)).await {
                Ok(Ok(answer)) => {
                    let [least, most, rows] = [0, 1, 2].map(|at| answer.rows[0][at].as_str());
                    assert!(rows != "0" && least == most, "{rows} rows of rounds {least} to {most}");
                    let round: u64 = least.parse().expect("a round");
                    assert!(round >= latest, "round {round} after {latest}");
                    latest = round;
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                // It is dead, or was killed while it answered; or says to ask again.
                Ok(Err(status))
                    if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) =>
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok(Err(status)) => panic!("{status:?}"),
                Err(_) => {}
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_views_are_replaced_has_one_exact_version() {
    let count = number("COUNT").unwrap_or(6);
    let seed = number("SEED").unwrap_or_else(rand::random);
    eprintln!("COUNT={count} SEED={seed}");
    let (mut done, mut new, mut answers) = (0, 0, 0);
    while done < count {
        let kills = KILLS_PER_MESH.min(count - done);
        let (taken, asked) = one_mesh(seed.wrapping_add(done), kills).await;
        (done, new, answers) = (done + kills, new + taken, answers + asked);
        eprintln!("{done} of {count} kills, {new} of them behind the swap, {answers} answers meanwhile");
    }
}

async fn one_mesh(seed: u64, kills: u64) -> (u64, u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut mesh = Mesh::start().await;
    let clients = mesh.clients();
    let load = Load::start(&clients, 6, seed);
    load.wait_for(400).await;
    let begun = Instant::now();
    replace(&clients, 1).await.unwrap();
    ready(&clients).await;
    // Within this time a kill comes. It is made longer and shorter by what comes of it, so that kills fall into every
    // moment of a replacement, and about as many behind it, on a machine of any speed.
    let mut window = begun.elapsed();
    exact(&clients, 1..=1).await.unwrap();
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reader = reader(clients.clone(), stop.clone(), answers.clone());
    let (mut round, mut new) = (1, 0);
    for kill in 0..kills {
        let asked = {
            let clients = clients.clone();
            tokio::spawn(async move { replace(&clients, round + 1).await })
        };
        tokio::time::sleep(window.mul_f64(random.random())).await;
        mesh.gateway.kill();
        // Whether it was created is not known then, and neither is it to the caller.
        let _ = asked.await.unwrap();
        mesh.gateway.restart().await;
        let at_once = wait::until("the view answers after the restart", || async {
            let answer = clients.query("SELECT MIN(round) FROM kill_revenue").await;
            let answer = answer.map_err(|status| status.to_string())?;
            answer.rows[0][0].parse::<u64>().map_err(|error| error.to_string())
        })
        .await;
        assert!(at_once == round || at_once == round + 1, "SEED={seed} kill {kill}: {at_once} of {round}");
        new += at_once - round;
        window = window.mul_f64(if at_once > round { 0.7 } else { 1.4 });
        ready(&clients).await;
        let after = exact(&clients, round..=round + 1).await;
        let after = after.unwrap_or_else(|error| panic!("SEED={seed} kill {kill}: {error}"));
        if after == round {
            // It had not got that far: it is asked for again.
            replaced(&clients, round + 1).await;
            ready(&clients).await;
        }
        round += 1;
        let again = exact(&clients, round..=round).await;
        again.unwrap_or_else(|error| panic!("SEED={seed} kill {kill}: {error}"));
    }
    stop.store(true, Ordering::Relaxed);
    reader.await.unwrap();
    let ledger = load.stop().await;
    clients.wait_caught_up().await;
    exact(&clients, round..=round).await.unwrap_or_else(|error| panic!("SEED={seed} at rest: {error}"));
    assert_eq!(checker::audit(&clients, &ledger).await, Ok(()), "SEED={seed}, {kills} kills");
    (new, answers.load(Ordering::Relaxed))
}
