//! Two gateways on one read model, of which the one that applies is killed, or stands still, again and again under load:
//! the other one goes on within seconds, nobody writes who was followed, and both tell the same. So they do when it is their
//! server that crashes.
//!
//! COUNT times, drawn from SEED. `make soak-gateways COUNT=50` is the large form.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::time::Duration;

use mesh_tests::{
    clients::{Clients, positions},
    load::Load,
    mesh::{Mesh, MeshOptions},
    process::Process,
    recompute,
    setting::setting,
    wait,
};
use nix::sys::signal::Signal;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sqlx::{Connection as _, PgConnection};
use test_prerequisites::postgres;
use tokio::time::{Instant, sleep};
use tributary_proto::query::v1::Role;

/// For how long a gateway stands still.
const STILL: Duration = Duration::from_secs(10);

/// Notes who writes to the read model, and as which in the order of those who led.
const NOTE: &str = "
    CREATE TABLE test_writes (id BIGSERIAL, pid INTEGER, at TIMESTAMPTZ, generation BIGINT, what TEXT);
    CREATE FUNCTION test_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO test_writes (pid, at, generation, what)
            SELECT pg_backend_pid(), clock_timestamp(), generation, TG_TABLE_NAME FROM _gateway;
        RETURN NULL;
    END $$;
    DO $$ DECLARE name TEXT; BEGIN
        FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            AND relname NOT IN ('_published', 'test_writes') LOOP
            EXECUTE format('CREATE TRIGGER test_note AFTER INSERT OR UPDATE OR DELETE ON %I
                FOR EACH STATEMENT EXECUTE FUNCTION test_note()', name);
        END LOOP;
    END $$;";

/// Two gateways, who looks on, and what is asked of each.
struct Pair {
    mesh: Mesh,
    twin: Process,
    observer: PgConnection,
    load: Load,
    random: StdRng,
    asked: u32,
}

impl Pair {
    async fn start(database: &str, seed: u64) -> Self {
        let mesh = MeshOptions::default().store("query-gateway", database).start().await;
        mesh.clients().wait_caught_up().await;
        let twin = mesh.gateway.another().await;
        let mut observer = PgConnection::connect(database).await.unwrap();
        sqlx::raw_sql(NOTE).execute(&mut observer).await.unwrap();
        let load = Load::start(&mesh.clients(), 4, seed);
        Self { mesh, twin, observer, load, random: StdRng::seed_from_u64(seed), asked: 0 }
    }

    /// Of the first gateway, and of the second.
    fn clients(&self) -> [Clients; 2] {
        let url = |name: &str| match name {
            "query-gateway" => self.twin.url(),
            name => self.mesh.process(name).url(),
        };
        [self.mesh.clients(), Clients::connect(url)]
    }

    fn gateway(&mut self, at: usize) -> &mut Process {
        if at == 0 { &mut self.mesh.gateway } else { &mut self.twin }
    }

    /// Which one applies; the other stands by.
    async fn applier(&self) -> usize {
        let clients = self.clients();
        wait::until("one gateway applies and the other stands by", || async {
            let mut roles = Vec::new();
            for clients in &clients {
                roles.push(clients.status().await.map_err(|status| status.to_string())?.role());
            }
            match roles[..] {
                [Role::Applying, Role::Standby] => Ok(0),
                [Role::Standby, Role::Applying] => Ok(1),
                _ => Err(format!("{roles:?}")),
            }
        })
        .await
    }

    async fn generation(&mut self) -> i64 {
        let generation = "SELECT generation FROM _gateway";
        sqlx::query_scalar(generation).fetch_one(&mut self.observer).await.unwrap()
    }

    /// Waits until changes are applied by one that came to lead after `generation`, and tells how long that took.
    async fn followed(&mut self, generation: i64) -> Duration {
        let begun = Instant::now();
        let applied = "SELECT EXISTS (SELECT 1 FROM test_writes WHERE generation > $1 AND what = '_sources')";
        loop {
            let applied = sqlx::query_scalar(applied).bind(generation);
            if applied.fetch_one(&mut self.observer).await.unwrap() {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < wait::PATIENCE, "nobody applies");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a command has written is in the answers of these gateways that are asked for it.
    async fn tells_what_was_written(&mut self, gateways: &[usize]) {
        self.asked += 1;
        let id = format!("asked-{}", self.asked);
        let clients = self.clients();
        let after = wait::until("the customer is created", || async {
            clients[0].create_customer(&id, "ASIA").await.map(|reply| positions(&reply))
        })
        .await;
        for at in gateways {
            let sql = format!("SELECT region FROM customers WHERE customer_id = '{id}'");
            let answer = wait::until("the gateway answers", || clients[*at].query_after(&sql, &after)).await;
            assert_eq!(answer.rows, [["ASIA"]], "gateway {at}");
        }
    }

    /// What must hold in the end.
    async fn audit(mut self, seed: u64) {
        self.load.wait_for(50).await;
        let clients = self.clients();
        let ledger = self.load.stop().await;
        clients[0].wait_at_rest().await;
        let mut held = Vec::new();
        for clients in &clients {
            clients.wait_caught_up().await;
            held.push(recompute::views(clients).await.unwrap_or_else(|wrong| panic!("{wrong}, SEED={seed}")));
        }
        assert_eq!(held[0], held[1], "SEED={seed}");
        // One session for each generation, and none that writes once there is a later one.
        let sessions =
            "SELECT max(n) FROM (SELECT count(DISTINCT pid) AS n FROM test_writes GROUP BY generation) AS s";
        let sessions: i64 = sqlx::query_scalar(sessions).fetch_one(&mut self.observer).await.unwrap();
        let late = "SELECT count(*) FROM test_writes AS w WHERE EXISTS (
            SELECT 1 FROM (SELECT generation, min(id) AS id, min(at) AS at FROM test_writes GROUP BY generation) AS g
            WHERE g.generation > w.generation AND (w.id > g.id OR w.at > g.at))";
        let late: i64 = sqlx::query_scalar(late).fetch_one(&mut self.observer).await.unwrap();
        assert_eq!((sessions, late), (1, 0), "SEED={seed}");
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&mut self.observer).await.unwrap();
        assert_eq!(deadlocks, 0, "SEED={seed}");
        let noted = "SELECT count(*), max(generation) FROM test_writes";
        let (writes, generation): (i64, i64) =
            sqlx::query_as(noted).fetch_one(&mut self.observer).await.unwrap();
        let (views, rows) = held[0];
        eprintln!(
            "{} acknowledged, {writes} writes in {generation} generations, 0 late; {views} views of {rows} rows",
            ledger.acknowledged.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_is_followed_within_seconds() {
    let (count, seed) = (setting("COUNT", 5_u64), setting("SEED", rand::random::<u64>() >> 16));
    eprintln!("COUNT={count} SEED={seed}");
    let test = "a_gateway_that_is_killed_is_followed_within_seconds";
    let Some(database) = postgres::database(test).await else { return };
    let mut pair = Pair::start(&database, seed).await;
    let mut longest = Duration::ZERO;
    for kill in 1..=count {
        let more = pair.random.random_range(10..60);
        pair.load.wait_for(more).await;
        let (applier, generation) = (pair.applier().await, pair.generation().await);
        pair.gateway(applier).kill();
        let took = pair.followed(generation).await;
        longest = longest.max(took);
        pair.tells_what_was_written(&[1 - applier]).await;
        pair.gateway(applier).restart().await;
        pair.tells_what_was_written(&[0, 1]).await;
        eprintln!("{kill} of {count} kills, followed after {took:?}");
    }
    eprintln!("followed after {longest:?} at most");
    pair.audit(seed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stood_still_writes_nothing_afterwards() {
    let (count, seed) = (setting("COUNT", 2_u64), setting("SEED", rand::random::<u64>() >> 16));
    eprintln!("COUNT={count} SEED={seed}");
    let test = "a_gateway_that_stood_still_writes_nothing_afterwards";
    let Some(database) = postgres::database(test).await else { return };
    let mut pair = Pair::start(&database, seed).await;
    for stop in 1..=count {
        let more = pair.random.random_range(10..60);
        pair.load.wait_for(more).await;
        let (applier, generation) = (pair.applier().await, pair.generation().await);
        let stopped = Instant::now();
        pair.gateway(applier).signal(Signal::SIGSTOP);
        let took = pair.followed(generation).await;
        pair.tells_what_was_written(&[1 - applier]).await;
        sleep(STILL.saturating_sub(stopped.elapsed())).await;
        pair.gateway(applier).signal(Signal::SIGCONT);
        // It finds out by itself, and answers on.
        assert_eq!(pair.applier().await, 1 - applier);
        pair.tells_what_was_written(&[0, 1]).await;
        eprintln!("{stop} of {count} stops, followed after {took:?}");
    }
    pair.audit(seed).await;
}

/// Who applies loses its session, and with it the lead, which either of them may take then.
#[tokio::test(flavor = "multi_thread")]
async fn both_go_on_when_their_server_has_crashed() {
    let (count, seed) = (setting("COUNT", 2_u64), setting("SEED", rand::random::<u64>() >> 16));
    eprintln!("COUNT={count} SEED={seed}");
    let Some(server) = postgres::Own::start("both_go_on_when_their_server_has_crashed") else { return };
    drop(server.connect().await);
    let mut pair = Pair::start(&server.url(), seed).await;
    for crash in 1..=count {
        let more = pair.random.random_range(10..60);
        pair.load.wait_for(more).await;
        let generation = pair.generation().await;
        server.crash().await;
        pair.observer = PgConnection::connect(&server.url()).await.unwrap();
        let took = pair.followed(generation).await;
        pair.tells_what_was_written(&[0, 1]).await;
        eprintln!("{crash} of {count} crashes, applied again after {took:?}");
    }
    pair.audit(seed).await;
}
