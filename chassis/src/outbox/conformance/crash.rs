//! The process dies between two steps of a group: whoever was answered finds everything, and whoever was
//! not asks again under the same request id and gets it once.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;

use super::{
    bank::{Bank, Command},
    checker::check,
    fixture::{Fixture, Store, call, deposit, open, queued, replay, run, setting},
};
use crate::{
    fault::Reason,
    feed::Mark,
    outbox::{
        Outbox,
        hooks::{Mutant, Step},
    },
};

pub(super) const STEPS: [Step; 5] =
    [Step::Begun, Step::Applied, Step::Synced, Step::Published, Step::Answered];
const CALLERS: i64 = 8;

/// What a dead process leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// The process alone died: all that it wrote is there.
    Process,
    /// The power was lost: only what was synced is there.
    Power,
}

pub(super) async fn a_crash_between_steps_loses_nothing_acknowledged(store: Store, mutant: Option<Mutant>) {
    for death in [Death::Power, Death::Process] {
        for step in STEPS {
            crash(Fixture::new(store, mutant), step, death).await;
        }
    }
}

async fn crash(mut fixture: Fixture, step: Step, death: Death) {
    let hooks = fixture.hooks();
    fixture.take_images(&hooks, 0);
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    call(&outbox, "first", deposit("a", 1)).await.unwrap();

    hooks.crash_at(step);
    let answers = deposit_all(&outbox, "r").await;
    outbox.stopped().await;
    let head = *outbox.log().head().borrow();
    drop(outbox);

    if death == Death::Power {
        fixture.lose_power(0);
    }
    let outbox = fixture.open().await;
    let context = format!("{step:?} {death:?}");
    if fixture.store == Store::Sqlite {
        // What the process before may not have synced is in the database, not in the WAL any more.
        assert_eq!(std::fs::metadata(fixture.data().join("store.db-wal")).unwrap().len(), 0, "{context}");
    }
    let known = outbox.log().digest(head.sequence).await.unwrap();
    assert_eq!(known, Some(head.digest), "what the feed has shown is gone: {context}");
    for (n, answer) in answers.iter().enumerate() {
        let stored = replay(&outbox, &format!("r-{n}"), &deposit("a", 1)).await.unwrap();
        match answer {
            Ok(reply) => assert_eq!(stored.as_ref(), Some(reply), "{context}"),
            Err(reason) => {
                assert!(
                    [Reason::OutcomeUnknown, Reason::Unavailable].contains(reason),
                    "{reason:?} {context}"
                );
            }
        }
    }
    // Everybody asks again.
    let answers = deposit_all(&outbox, "r").await;
    assert!(answers.iter().all(Result::is_ok), "{context}");
    check(&outbox).await;
    let balance = outbox.get(&"a".to_owned()).await.unwrap().unwrap().state.balance;
    assert_eq!(balance, 1 + CALLERS, "every deposit counts once: {context}");
}

/// One store through many deaths, CRASHES of them, at steps and with callers chosen from SEED.
pub(super) async fn a_store_survives_many_crashes(mut fixture: Fixture) {
    let (crashes, seed) = (setting("CRASHES", 12), setting("SEED", 1));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut expected = 0;
    let mut seen = Mark::default();
    run(&fixture.open().await, open("a", 0)).await.unwrap();
    for round in 0..crashes {
        let hooks = fixture.hooks();
        fixture.take_images(&hooks, round);
        let outbox = fixture.open_with(&hooks).await;
        let context = format!("seed {seed}, round {round}");
        let known = outbox.log().digest(seen.sequence).await.unwrap();
        assert_eq!(known, Some(seen.digest), "what the feed has shown is gone: {context}");
        let balance = outbox.get(&"a".to_owned()).await.unwrap().unwrap().state.balance;
        assert!((expected..=expected + CALLERS).contains(&balance), "{balance} of {expected}: {context}");
        // Who was not answered asks again.
        if let Some(before) = round.checked_sub(1) {
            let answers = deposit_all(&outbox, &before.to_string()).await;
            assert!(answers.iter().all(Result::is_ok), "{context}");
            expected += CALLERS;
        }
        check(&outbox).await;
        hooks.crash_at(STEPS[rng.random_range(0..STEPS.len())]);
        let answers = deposit_all(&outbox, &round.to_string()).await;
        assert!(answers.iter().all(|answer| !matches!(answer, Err(Reason::Internal))), "{context}");
        outbox.stopped().await;
        seen = *outbox.log().head().borrow();
        if rng.random_bool(0.5) {
            fixture.lose_power(round);
        }
    }
}

type Answer = Result<super::bank::PublishedAccount, Reason>;

/// Each of the callers deposits one, under a request id of its own.
async fn deposit_all(outbox: &Outbox<Bank>, round: &str) -> Vec<Answer> {
    let mut calls = JoinSet::new();
    for n in 0..CALLERS {
        let outbox = outbox.clone();
        let id = format!("{round}-{n}");
        calls.spawn(async move {
            let answer = call(&outbox, &id, deposit("a", 1)).await;
            (n, answer.map_err(|fault| fault.reason()))
        });
    }
    let mut answers = calls.join_all().await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// A rejection tells of a state, so it must not be told before that state is durable.
pub(super) async fn a_rejection_waits_for_what_it_stands_on(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("x", 0)).await.unwrap();
    hooks.hold_at(Step::Begun);
    let look = tokio::spawn({
        let outbox = outbox.clone();
        async move { run(&outbox, Command::Look { id: "x".to_owned() }).await.map(drop) }
    });
    hooks.held().await;
    // These two share the next group, and the second is rejected because of the first.
    let both = async { tokio::join!(run(&outbox, open("a", 0)), run(&outbox, open("a", 0))) };
    let crash = async {
        queued(&outbox, 2).await;
        hooks.crash_at(Step::Applied);
        hooks.release();
    };
    let ((opened, rejected), ()) = tokio::join!(both, crash);
    look.await.unwrap().unwrap();
    for answer in [opened, rejected] {
        assert_eq!(answer.unwrap_err().reason(), Reason::OutcomeUnknown);
    }
}
