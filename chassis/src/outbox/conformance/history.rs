//! Many writers at once, some of them rejected: one history without holes, in order of commit.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;

use super::{
    bank::{Bank, Command, REFUSED_BALANCE},
    checker::{check, check_page, total},
    fixture::{Fixture, Store, call, deposit, open, queued, run, setting},
};
use crate::{
    fault::Reason,
    feed::Mark,
    outbox::{Outbox, hooks::Step},
};

const WRITERS: u64 = 64;
const ACCOUNTS: u64 = 10;
const BALANCE: i64 = 100;

/// COUNT commands of each of 64 writers, from SEED.
pub(super) async fn writers_make_one_gapless_history(fixture: Fixture) {
    let (count, seed) = (setting("COUNT", 20), setting("SEED", 1));
    let outbox = fixture.open().await;
    for account in 0..ACCOUNTS {
        run(&outbox, open(account.to_string(), BALANCE)).await.unwrap();
    }
    let follower = tokio::spawn(follow(outbox.clone()));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(outbox.clone(), StdRng::seed_from_u64(seed * WRITERS + writer), writer, count));
    }
    let accepted: u64 = writers.join_all().await.into_iter().sum();
    assert!(0 < accepted && accepted < WRITERS * count, "some must be rejected: {accepted}, seed {seed}");

    let records = check(&outbox).await;
    let commands = records.iter().filter(|record| record.change.last_in_command).count() as u64;
    assert_eq!(commands, accepted + ACCOUNTS, "seed {seed}");
    assert_eq!(total(&outbox).await, ACCOUNTS as i64 * BALANCE, "seed {seed}");

    // The last one, which the follower ends with.
    run(&outbox, Command::Close { id: "0".to_owned() }).await.unwrap();
    follower.await.unwrap();
}

/// Transfers of random amounts, which the balances often do not allow; says how many were accepted.
async fn write(outbox: Outbox<Bank>, mut rng: StdRng, writer: u64, count: u64) -> u64 {
    let mut accepted = 0;
    for n in 0..count {
        let from = rng.random_range(0..ACCOUNTS);
        let to = (from + rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let amount = rng.random_range(1..BALANCE);
        let command = Command::Transfer { from: from.to_string(), to: to.to_string(), amount };
        match call(&outbox, &format!("{writer}-{n}"), command).await {
            Ok(_) => accepted += 1,
            Err(fault) => assert_eq!(fault.reason(), Reason::WrongState, "{fault}"),
        }
        // Nobody is shown a state that the durable head does not cover.
        let stored = outbox.get(&from.to_string()).await.unwrap().unwrap();
        let head = outbox.log().head().borrow().sequence;
        assert!(stored.sequence <= head, "{} was shown at {head}", stored.sequence);
    }
    accepted
}

/// Follows the log as the feed does, up to the closing of an account.
async fn follow(outbox: Outbox<Bank>) {
    let log = outbox.log();
    let mut head = log.head();
    let mut after = Mark::default();
    loop {
        let page = log.page(after.sequence, 1_000).await.unwrap();
        let seen = *head.borrow_and_update();
        after = check_page(after, &page);
        if page.last().is_some_and(|last| last.change.event == "Closed") {
            return;
        }
        if after.sequence >= seen.sequence {
            head.changed().await.unwrap();
        }
    }
}

/// A group that the store refuses is run again one by one, and only who is at fault is told.
pub(super) async fn a_refused_group_is_run_one_by_one(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    hooks.refuse_above(1);
    hooks.hold_at(Step::Begun);
    let mut calls = JoinSet::new();
    let spawn = |calls: &mut JoinSet<_>, n: i64| {
        let outbox = outbox.clone();
        calls.spawn(async move { call(&outbox, &format!("r{n}"), deposit("a", 1)).await.unwrap().balance });
    };
    spawn(&mut calls, 0);
    hooks.held().await;
    (1..10).for_each(|n| spawn(&mut calls, n));
    queued(&outbox, 9).await;
    hooks.release();
    let mut balances = calls.join_all().await;
    balances.sort_unstable();
    assert_eq!(balances, (1..=10).collect::<Vec<i64>>());
    assert_eq!(hooks.refused(), 1);
    // And when the store refuses everything, reading goes on.
    hooks.refuse_above(0);
    assert_eq!(run(&outbox, deposit("a", 1)).await.unwrap_err().reason(), Reason::Internal);
    assert_eq!(check(&outbox).await.len(), 11);
}

/// A statement that fails for one command costs that command, not those that share its group.
pub(super) async fn the_command_at_fault_alone_is_told(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    hooks.hold_at(Step::Begun);
    let look = run(&outbox, Command::Look { id: "a".to_owned() });
    let group = async {
        hooks.held().await;
        let release = async {
            queued(&outbox, 3).await;
            hooks.release();
        };
        let refused = run(&outbox, open("c", REFUSED_BALANCE));
        tokio::join!(run(&outbox, open("b", 1)), refused, run(&outbox, open("d", 1)), release)
    };
    let (_, (before, refused, behind, ())) = tokio::join!(look, group);
    before.unwrap();
    behind.unwrap();
    let accounts = match fixture.store {
        Store::Sqlite | Store::Postgres => {
            assert_eq!(refused.unwrap_err().reason(), Reason::Internal);
            3
        }
        // No state of this size is refused there.
        Store::Sled => {
            refused.unwrap();
            4
        }
    };
    assert_eq!(check(&outbox).await.len(), accounts);
}
