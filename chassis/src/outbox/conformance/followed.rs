//! A follower's steps: their effects and the position that they bring it to are there together, or not at
//! all. Its effects are deposits, of which each counts: what is done twice or left out shows.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tributary_proto::feed::v1::{Change, Position};

use super::{
    bank::{Bank, Command, REFUSED_BALANCE},
    checker::check,
    crash::{Death, STEPS},
    fixture::{Fixture, Store, deposit, open, queued, run, setting},
};
use crate::{
    fault::{Fault, Reason},
    outbox::{
        Effect, Outbox, Step,
        hooks::{self, Mutant},
    },
    trace::Trace,
};

/// Who is followed.
const SOURCE: &str = "loans";

/// A position of the source; 0 is none.
pub(super) fn at(sequence: u64) -> Option<Position> {
    let position =
        Position { service: SOURCE.to_owned(), epoch: "e".to_owned(), sequence, digest: !sequence };
    (sequence > 0).then_some(position)
}

/// What the changes of the source behind `before` through `after` give to do.
pub(super) fn step(before: Option<Position>, after: u64, commands: &[Command]) -> Step<Bank> {
    let effect = |command: &Command| {
        let traceparent = "00-00000000000000000000000000000007-0000000000000009-01".to_owned();
        let (entity, key) = ("loans".to_owned(), "l-1".to_owned());
        let change = Change { sequence: after, entity, key, traceparent, ..Change::default() };
        Effect::new(&change, Trace::of(&change), command.clone())
    };
    let effects = commands.iter().map(effect).collect();
    Step { source: SOURCE.to_owned(), before, after: at(after), effects }
}

async fn follow(outbox: &Outbox<Bank>, before: u64, after: u64, commands: &[Command]) -> Result<(), Fault> {
    outbox.follow(step(at(before), after, commands)).await
}

async fn followed(outbox: &Outbox<Bank>) -> u64 {
    let position = outbox.followed(SOURCE).await.unwrap();
    let sequence = position.as_ref().map_or(0, |position| position.sequence);
    assert_eq!(position, at(sequence));
    sequence
}

async fn balance(outbox: &Outbox<Bank>, id: &str) -> i64 {
    outbox.get(&id.to_owned()).await.unwrap().map_or(-1, |stored| stored.state.balance)
}

pub(super) async fn a_step_is_done_whole_or_not_at_all(fixture: Fixture) {
    let outbox = fixture.open().await;
    let refused =
        follow(&outbox, 0, 7, &[open("a", 1), deposit("a", 1), open("a", 1), deposit("a", 1)]).await;
    let fault = refused.unwrap_err();
    assert_eq!(fault.reason(), Reason::AlreadyExists);
    assert_eq!(fault.message(), "change 7 of `l-1` in `loans`: the account exists");
    assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (0, -1));
    let panicked = follow(&outbox, 0, 7, &[open("a", 1), Command::Panic]).await.unwrap_err();
    assert_eq!(panicked.reason(), Reason::Internal);
    assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (0, -1));

    // Each command sees what the one before it did.
    follow(&outbox, 0, 7, &[open("a", 1), deposit("a", 1), deposit("a", 1)]).await.unwrap();
    assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (7, 3));
    // Only the position, and only commands.
    follow(&outbox, 7, 9, &[]).await.unwrap();
    follow(&outbox, 9, 9, &[deposit("a", 1)]).await.unwrap();
    follow(&outbox, 9, 9, &[Command::Look { id: "a".to_owned() }]).await.unwrap();
    assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (9, 4));

    let records = check(&outbox).await;
    assert_eq!(records.len(), 4);
    // Each is a command of its own, and goes on with the trace of its cause.
    assert!(records.iter().all(|record| record.change.last_in_command));
    assert!(records.iter().all(|record| record.change.traceparent.starts_with("00-")));
    assert!(records.iter().all(|record| record.change.request_id.is_empty()));
}

pub(super) async fn a_step_counts_from_where_the_follower_is_alone(fixture: Fixture) {
    let mut outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    follow(&outbox, 0, 3, &[deposit("a", 1)]).await.unwrap();
    for _ in 0..2 {
        for before in [0, 2, 4] {
            let moved = follow(&outbox, before, 5, &[deposit("a", 1)]).await.unwrap_err();
            assert_eq!(moved.reason(), Reason::WrongState, "from {before}");
        }
        let other_history = at(3).map(|at| Position { epoch: "f".to_owned(), ..at });
        let moved = outbox.follow(step(other_history, 5, &[deposit("a", 1)])).await.unwrap_err();
        assert_eq!(moved.reason(), Reason::WrongState);
        assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (3, 1));
        drop(outbox);
        outbox = fixture.open().await;
    }
    // Another source has a position of its own.
    let other = Step { source: "readers".to_owned(), ..step(None, 1, &[deposit("a", 1)]) };
    outbox.follow(other).await.unwrap();
    assert_eq!(outbox.followed("readers").await.unwrap(), at(1));
    assert_eq!(outbox.followed("").await.unwrap(), None);
    assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (3, 2));
}

/// COUNT steps under the calls of others, which share their groups.
pub(super) async fn steps_and_calls_share_groups(fixture: Fixture) {
    let (count, seed) = (setting("COUNT", 20), setting("SEED", 1));
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    run(&outbox, open("b", 0)).await.unwrap();
    let callers = (0..8).map(|_| async {
        for _ in 0..count {
            run(&outbox, deposit("b", 1)).await.unwrap();
        }
    });
    let following = async {
        let (mut rng, mut position) = (StdRng::seed_from_u64(seed), 0);
        for _ in 0..count {
            let size = rng.random_range(0..40_u64);
            let commands = vec![deposit("a", 1); size as usize];
            let lost = follow(&outbox, position + 1, position + 2, &commands).await;
            assert_eq!(lost.unwrap_err().reason(), Reason::WrongState);
            // A position without a change of its own, so that every step moves it.
            follow(&outbox, position, position + size + 1, &commands).await.unwrap();
            position += size + 1;
        }
        position
    };
    let (position, _) = tokio::join!(following, futures::future::join_all(callers));
    assert_eq!(followed(&outbox).await, position, "seed {seed}");
    assert_eq!(balance(&outbox, "a").await, (position - count) as i64, "seed {seed}");
    assert_eq!(balance(&outbox, "b").await, 8 * count as i64, "seed {seed}");
    check(&outbox).await;
}

/// What the store itself refuses of a step costs the step, not those that share its group.
pub(super) async fn a_step_that_the_store_refuses_harms_nobody_else(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    hooks.hold_at(hooks::Step::Begun);
    let look = run(&outbox, Command::Look { id: "a".to_owned() });
    let group = async {
        hooks.held().await;
        let release = async {
            queued(&outbox, 3).await;
            hooks.release();
        };
        let commands = [deposit("a", 1), open("c", REFUSED_BALANCE)];
        let refused = follow(&outbox, 0, 1, &commands);
        tokio::join!(run(&outbox, open("b", 1)), refused, run(&outbox, open("d", 1)), release)
    };
    let (_, (before, refused, behind, ())) = tokio::join!(look, group);
    before.unwrap();
    behind.unwrap();
    match fixture.store {
        Store::Sqlite | Store::Postgres => {
            assert_eq!(refused.unwrap_err().reason(), Reason::Internal);
            assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (0, 0));
        }
        // No state of this size is refused there.
        Store::Sled => refused.unwrap(),
    }
    check(&outbox).await;
}

/// The process dies between two steps of a group: the balance is what the position says, and so the
/// follower, which goes on from there, does everything once.
pub(super) async fn a_crash_between_steps_keeps_effects_and_position_together(
    store: Store,
    mutant: Option<Mutant>,
) {
    for death in [Death::Power, Death::Process] {
        for at_step in STEPS {
            crash(Fixture::new(store, mutant), at_step, death).await;
        }
    }
}

async fn crash(mut fixture: Fixture, at_step: hooks::Step, death: Death) {
    let context = format!("{at_step:?} {death:?}");
    let hooks = fixture.hooks();
    fixture.take_images(&hooks, 0);
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    follow(&outbox, 0, 2, &[deposit("a", 1), deposit("a", 1)]).await.unwrap();
    hooks.crash_at(at_step);
    let answer = follow(&outbox, 2, 5, &[deposit("a", 1), deposit("a", 2)]).await;
    outbox.stopped().await;
    drop(outbox);

    if death == Death::Power {
        fixture.lose_power(0);
    }
    let outbox = fixture.open().await;
    let reached = followed(&outbox).await;
    assert_eq!(balance(&outbox, "a").await, reached as i64, "{context}");
    assert!(reached == 5 || answer.is_err(), "what was acknowledged is gone: {context}");
    if reached < 5 {
        follow(&outbox, 2, 5, &[deposit("a", 1), deposit("a", 2)]).await.unwrap();
    }
    follow(&outbox, 5, 6, &[deposit("a", 1)]).await.unwrap();
    assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (6, 6), "{context}");
    check(&outbox).await;
}

/// One follower through many deaths, CRASHES of them, at steps drawn from SEED, half of them as a loss of
/// power: each step counts once, though it is not known which were done.
pub(super) async fn a_follower_survives_many_crashes(mut fixture: Fixture) {
    let (crashes, seed) = (setting("CRASHES", 12), setting("SEED", 1));
    let (mut rng, mut acknowledged, mut repeated) = (StdRng::seed_from_u64(seed), 0, 0);
    run(&fixture.open().await, open("a", 0)).await.unwrap();
    for round in 0..crashes {
        let context = format!("seed {seed}, round {round}");
        let hooks = fixture.hooks();
        fixture.take_images(&hooks, round);
        let outbox = fixture.open_with(&hooks).await;
        let position = followed(&outbox).await;
        assert!(position >= acknowledged, "{position} of {acknowledged}: {context}");
        assert_eq!(balance(&outbox, "a").await, position as i64, "{context}");
        // From what is found there: done again only where it was not done.
        repeated += u64::from(position == acknowledged);
        follow(&outbox, position, position + 2, &[deposit("a", 1), deposit("a", 1)]).await.unwrap();
        acknowledged = position + 2;
        hooks.crash_at(STEPS[rng.random_range(0..STEPS.len())]);
        if follow(&outbox, acknowledged, acknowledged + 1, &[deposit("a", 1)]).await.is_ok() {
            acknowledged += 1;
        }
        outbox.stopped().await;
        if rng.random_bool(0.5) {
            fixture.lose_power(round);
        }
    }
    check(&fixture.open().await).await;
    println!(
        "seed {seed}: {crashes} crashes, behind {repeated} of them the position was the acknowledged one"
    );
}

/// A store of the version that had no followers is taken over as it is.
pub(super) async fn a_store_without_followers_gets_them(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let before = check(&outbox).await;
    drop(outbox);
    fixture.closed().await;
    // On sled it is a store like any other.
    if fixture.store == Store::Sqlite {
        let file = SqliteConnectOptions::new().filename(fixture.data().join("store.db"));
        let mut connection = file.connect().await.unwrap();
        for undo in ["DROP TABLE tributary_followed", "DELETE FROM tributary_migrations WHERE version = 2"] {
            assert!(sqlx::query(undo).execute(&mut connection).await.is_ok(), "{undo}");
        }
        connection.close().await.unwrap();
    }
    let outbox = fixture.open().await;
    assert_eq!((check(&outbox).await, followed(&outbox).await), (before, 0));
    follow(&outbox, 0, 1, &[deposit("a", 1)]).await.unwrap();
    assert_eq!((followed(&outbox).await, balance(&outbox, "a").await), (1, 1));
}
