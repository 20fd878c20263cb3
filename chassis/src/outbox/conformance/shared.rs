//! Several processes on one store, and a store that others run: one history all the same, and nobody waits for long.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sqlx::PgConnection;
use test_prerequisites::postgres;
use tokio::{task::JoinSet, time::timeout};

use super::{
    bank::{Bank, Command},
    checker::{check, check_page},
    fixture::{Fixture, call, deposit, open, queued, run, setting},
    hooks::Sync,
};
use crate::{
    fault::Reason,
    feed::Mark,
    outbox::{Outbox, hooks::Step},
};

const INSTANCES: usize = 3;
const WRITERS: u64 = 8;
const ACCOUNTS: u64 = 5;
/// More than the seconds that a session without life is given.
const SOON: Duration = Duration::from_secs(30);

async fn session(fixture: &Fixture) -> PgConnection {
    fixture.database().await.connect("").await.unwrap()
}

/// COUNT commands of each writer at each of several instances, from SEED, each command a group of its own: so that their
/// transactions meet.
pub(super) async fn instances_make_one_gapless_history(mut fixture: Fixture) {
    let (count, seed) = (setting("COUNT", 20), setting("SEED", 1));
    fixture.options.group_limit = 1;
    let first = fixture.open().await;
    for account in 0..ACCOUNTS {
        run(&first, open(account.to_string(), 0)).await.unwrap();
    }
    let mut instances = vec![first];
    for _ in 1..INSTANCES {
        instances.push(fixture.open().await);
    }
    let all = ACCOUNTS + INSTANCES as u64 * WRITERS * count;
    let mut tasks = JoinSet::new();
    for (at, outbox) in instances.iter().enumerate() {
        tasks.spawn(follow(outbox.clone(), all));
        for writer in 0..WRITERS {
            let seed = seed * 1_000 + at as u64 * WRITERS + writer;
            tasks.spawn(write(outbox.clone(), format!("{at}-{writer}"), StdRng::seed_from_u64(seed), count));
        }
    }
    tasks.join_all().await;
    let histories = check(&instances[0]).await;
    assert_eq!(histories.len() as u64, all, "seed {seed}");
    for outbox in &instances[1..] {
        assert_eq!(check(outbox).await, histories, "seed {seed}");
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&mut session(&fixture).await).await.unwrap();
    assert_eq!(deadlocks, 0);
}

/// Each deposit is asked for twice under one request id, and counts once.
async fn write(outbox: Outbox<Bank>, name: String, mut rng: StdRng, count: u64) {
    for n in 0..count {
        let (id, account) = (format!("{name}-{n}"), rng.random_range(0..ACCOUNTS).to_string());
        let reply = call(&outbox, &id, deposit(&account, 1)).await.unwrap();
        assert_eq!(call(&outbox, &id, deposit(&account, 1)).await.unwrap(), reply);
        let stored = outbox.get(&account).await.unwrap().unwrap();
        let head = outbox.log().head().borrow().sequence;
        assert!(stored.sequence <= head, "{} was shown at {head}", stored.sequence);
    }
}

/// Follows the log of one instance, into which all write, to its end.
async fn follow(outbox: Outbox<Bank>, end: u64) {
    let log = outbox.log();
    let mut head = log.head();
    let mut after = Mark::default();
    while after.sequence < end {
        let seen = *head.borrow_and_update();
        let page = log.page(after.sequence, 1_000).await.unwrap();
        after = check_page(after, &page);
        if after.sequence >= seen.sequence && after.sequence < end {
            head.changed().await.unwrap();
        }
    }
}

/// The same request at two instances at once has one effect, and both get its reply.
pub(super) async fn a_request_id_is_known_to_all(fixture: Fixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    run(&one, open("a", 0)).await.unwrap();
    for n in 0..20 {
        let id = format!("r{n}");
        let both = tokio::join!(call(&one, &id, deposit("a", 1)), call(&other, &id, deposit("a", 1)));
        assert_eq!(both.0.unwrap().balance, n + 1);
        assert_eq!(both.1.unwrap().balance, n + 1);
    }
    assert_eq!(check(&other).await.len(), 21);
}

/// Whoever commits is told what became of it, though the connection was lost meanwhile.
pub(super) async fn a_commit_that_was_not_answered_is_looked_up(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    for (n, when) in (1..).zip([Sync::Before, Sync::After, Sync::After, Sync::Before]) {
        hooks.fail_sync(when);
        let reply = call(&outbox, &format!("r{n}"), deposit("a", 1)).await.unwrap();
        assert_eq!(reply.balance, n, "{when:?}");
    }
    assert_eq!(check(&outbox).await.len(), 5);
}

/// A server that crashes forgets numbers of transactions that were not on disk, and gives them to others. What became of those
/// says nothing of the one that was lost.
pub(super) async fn a_transaction_that_a_crash_took_is_not_taken_for_another(fixture: Fixture) {
    let test = "a_transaction_that_a_crash_took_is_not_taken_for_another";
    let Some(server) = postgres::Own::start(test) else { return };
    drop(server.connect().await);
    let fixture = fixture.in_database(&server.url());
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    let (mut balance, mut proven) = (0_i64, 0);
    while proven < 3 {
        assert!(balance < 600, "no number was given again: {proven}");
        // Pages are in the log as a whole the first time; what follows is small, and not on disk by itself.
        for _ in 0..10 {
            balance += 1;
            run(&outbox, deposit("a", 1)).await.unwrap();
        }
        hooks.hold_at(Step::Applied);
        let held = tokio::spawn({
            let (outbox, id) = (outbox.clone(), format!("r{balance}"));
            async move { call(&outbox, &id, deposit("a", 1)).await }
        });
        hooks.held().await;
        let open = "SELECT max(backend_xid::text::bigint) FROM pg_stat_activity";
        let lost: i64 = sqlx::query_scalar(open).fetch_one(&mut server.connect().await).await.unwrap();
        server.crash().await;
        let mut others = server.connect().await;
        let next = "SELECT pg_current_xact_id()::text::bigint";
        while sqlx::query_scalar::<_, i64>(next).fetch_one(&mut others).await.unwrap() < lost {}
        let became = sqlx::query_scalar("SELECT pg_xact_status($1::bigint::text::xid8)").bind(lost);
        let became: String = became.fetch_one(&mut others).await.unwrap();
        proven += usize::from(became == "committed");
        hooks.release();
        balance += 1;
        assert_eq!(held.await.unwrap().unwrap().balance, balance, "{became}");
        let stored = outbox.get(&"a".to_owned()).await.unwrap().unwrap();
        assert_eq!(stored.state.balance, balance, "what was acknowledged is there: {became}");
    }
    assert_eq!(check(&outbox).await.len() as i64, balance + 1);
}

/// A server that ends all sessions, and takes new ones, is not noticed by callers.
pub(super) async fn lost_connections_are_made_again(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let mut session = session(&fixture).await;
    for round in 0..10 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let ended: i64 = sqlx::query_scalar(end).fetch_one(&mut session).await.unwrap();
        assert!(ended > 0, "nobody was there in round {round}");
        let balance = call(&outbox, &format!("r{round}"), deposit("a", 1)).await.unwrap().balance;
        assert_eq!(balance, round + 1);
        assert_eq!(outbox.get(&"a".to_owned()).await.unwrap().unwrap().state.balance, balance);
    }
    assert_eq!(check(&outbox).await.len(), 11);
}

/// An instance that stands still in the middle of a group loses it, and writes it again when it goes on.
pub(super) async fn who_stands_still_holds_nobody_up(fixture: Fixture) {
    let hooks = fixture.hooks();
    let (still, other) = (fixture.open_with(&hooks).await, fixture.open().await);
    run(&other, open("a", 0)).await.unwrap();
    for (n, step) in (1..).zip([Step::Begun, Step::Applied]) {
        hooks.hold_at(step);
        let held = tokio::spawn({
            let still = still.clone();
            async move { call(&still, &format!("still{n}"), deposit("a", 1)).await }
        });
        hooks.held().await;
        let through = async { while call(&other, &format!("other{n}"), deposit("a", 1)).await.is_err() {} };
        timeout(SOON, through).await.expect("the other instance goes on");
        hooks.release();
        match held.await.unwrap() {
            Ok(reply) => assert_eq!(reply.balance, 2 * n),
            Err(fault) => {
                assert_eq!(fault.reason(), Reason::Unavailable, "{fault:?}");
                let again = call(&still, &format!("still{n}"), deposit("a", 1)).await.unwrap();
                assert_eq!(again.balance, 2 * n);
            }
        }
    }
    assert_eq!(check(&still).await.len(), 5);
}

/// One of all leads, and when it goes, another one does.
pub(super) async fn one_of_them_leads(fixture: Fixture) {
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(fixture.open().await);
    }
    while !instances.is_empty() {
        let leading = async {
            loop {
                let leads: Vec<_> = instances.iter().map(|outbox| *outbox.leads().borrow()).collect();
                assert!(leads.iter().filter(|leads| **leads).count() <= 1, "{leads:?}");
                if let Some(at) = leads.iter().position(|leads| *leads) {
                    return at;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let leader = timeout(SOON, leading).await.expect("one leads");
        drop(instances.remove(leader));
    }
}

/// What was opened is not served any more once another store has taken its place.
pub(super) async fn a_store_that_was_replaced_is_not_served(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let replace = "UPDATE tributary_log SET epoch = 'another'";
    sqlx::query(replace).execute(&mut session(&fixture).await).await.unwrap();
    timeout(SOON, outbox.stopped()).await.expect("it is noticed without a command");
    let fault = run(&outbox, Command::Close { id: "a".to_owned() }).await.unwrap_err();
    assert!([Reason::OutcomeUnknown, Reason::Unavailable].contains(&fault.reason()), "{fault:?}");
    drop(outbox);
    assert_eq!(fixture.open().await.log().epoch(), "another");
}

/// The instances find each other's commits by notification, and not by looking now and then.
pub(super) async fn a_commit_wakes_the_others(fixture: Fixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    run(&one, open("a", 0)).await.unwrap();
    let mut head = other.log().head();
    let begin = std::time::Instant::now();
    let rounds = 30;
    for n in 1..=rounds {
        run(&one, deposit("a", 1)).await.unwrap();
        timeout(SOON, head.wait_for(|head| head.sequence > n)).await.unwrap().unwrap();
    }
    // Each of them would have waited for the next look, of which there is one in a second.
    assert!(begin.elapsed() < Duration::from_secs(rounds / 2), "{:?}", begin.elapsed());
}

/// Commands wait in the queue of an instance as on every store, whoever has the lock.
pub(super) async fn who_waits_for_the_lock_takes_all_that_wait_for_it(fixture: Fixture) {
    let hooks = fixture.hooks();
    let (holder, other) = (fixture.open_with(&hooks).await, fixture.open().await);
    run(&holder, open("a", 0)).await.unwrap();
    hooks.hold_at(Step::Begun);
    let deposits = |outbox: &Outbox<Bank>, name: &str, count: usize| {
        let mut calls = JoinSet::new();
        for n in 0..count {
            let (outbox, id) = (outbox.clone(), format!("{name}{n}"));
            calls.spawn(async move { call(&outbox, &id, deposit("a", 1)).await.unwrap() });
        }
        calls
    };
    let held = deposits(&holder, "held", 1);
    hooks.held().await;
    let waiting = deposits(&other, "waiting", 20);
    queued(&other, 0).await;
    hooks.release();
    held.join_all().await;
    waiting.join_all().await;
    assert_eq!(check(&other).await.len(), 22);
}
