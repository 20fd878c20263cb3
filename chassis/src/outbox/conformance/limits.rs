//! Every bound: what is at it is taken, one more is refused by its name, and refusing leaves nothing behind.

use prost::Message as _;
use tokio::task::JoinSet;

use super::{
    bank::{Account, Command},
    checker::check,
    fixture::{Fixture, Store, call, deposit, open, queued, run, touch},
};
use crate::{
    fault::{Fault, Reason},
    outbox::{CHANGES_LIMIT, COMMAND_LIMIT, Call, STATE_LIMIT, hooks::Step},
};

fn assert_limit<R: std::fmt::Debug>(result: Result<R, Fault>, limit: usize) {
    let fault = result.unwrap_err();
    assert_eq!(fault.reason(), Reason::LimitExceeded);
    assert!(fault.message().contains(&limit.to_string()), "{fault}");
}

pub(super) async fn a_command_has_a_limit_of_changes(fixture: Fixture) {
    let outbox = fixture.open().await;
    let command = |changes: usize| touch((0..changes).map(|n| n.to_string()));
    assert_limit(run(&outbox, command(CHANGES_LIMIT + 1)).await, CHANGES_LIMIT);
    run(&outbox, command(CHANGES_LIMIT)).await.unwrap();
    let records = check(&outbox).await;
    assert_eq!(records.len(), CHANGES_LIMIT);
    assert_eq!(records.iter().filter(|record| record.change.last_in_command).count(), 1);
}

pub(super) async fn a_command_has_a_limit_of_bytes(fixture: Fixture) {
    let outbox = fixture.open().await;
    let padded = |padding: usize| Command::Touch {
        ids: vec!["a".to_owned()],
        memo: String::new(),
        padding: padding as u32,
    };
    let size = async |padding: usize| {
        run(&outbox, padded(padding)).await.unwrap();
        let log = outbox.log();
        let head = log.head().borrow().sequence;
        log.page(head - 1, 0).await.unwrap()[0].change.encoded_len()
    };
    // The commit time takes a byte more or less, so each size is tried until it comes out as wanted.
    let near = COMMAND_LIMIT - 1_000;
    let at_limit = near + COMMAND_LIMIT - size(near).await;
    while size(at_limit).await != COMMAND_LIMIT {}
    let one_more = format!("makes {}", COMMAND_LIMIT + 1);
    loop {
        let Err(fault) = run(&outbox, padded(at_limit + 1)).await else { continue };
        let exact = fault.message().contains(&one_more);
        assert_limit(Err::<(), _>(fault), COMMAND_LIMIT);
        if exact {
            break;
        }
    }
    check(&outbox).await;
}

pub(super) async fn a_reply_has_a_limit_of_bytes(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let reply = async |id: &str, size: usize| {
        let call = Call::new("m", id, &String::new()).unwrap();
        // A field of this length: its tag, four bytes of length, and the rest.
        let text = "x".repeat(size - 1 - 3);
        outbox.execute(call, deposit("a", 1), move |_| text.clone()).await
    };
    assert_limit(reply("r1", COMMAND_LIMIT + 1).await, COMMAND_LIMIT);
    let first = reply("r2", COMMAND_LIMIT).await.unwrap();
    assert_eq!(first.encoded_len(), COMMAND_LIMIT);
    assert_eq!(reply("r2", COMMAND_LIMIT).await.unwrap(), first);
    assert_eq!(check(&outbox).await.len(), 2);
}

/// sled keeps large values where it does not sync them, so there are none.
pub(super) async fn a_state_has_a_limit_of_bytes_on_sled(fixture: Fixture) {
    let outbox = fixture.open().await;
    let with_memo = |ids: usize, size: usize| Command::Touch {
        ids: (0..ids).map(|n| format!("{n:03}")).collect(),
        memo: "x".repeat(size),
        padding: 0,
    };
    let frame = Account { memo: "x".repeat(STATE_LIMIT - 100), ..Account::default() }.encoded_len();
    let fits = STATE_LIMIT - (frame - (STATE_LIMIT - 100));
    let too_large = run(&outbox, with_memo(1, fits + 1)).await;
    match fixture.store {
        Store::Sqlite | Store::Postgres => drop(too_large.unwrap()),
        Store::Sled => assert_limit(too_large, STATE_LIMIT),
    }
    // Many of the largest, written again and again, so that pages are split, merged and rewritten.
    for _ in 0..12 {
        run(&outbox, with_memo(100, fits)).await.unwrap();
        for n in 0..50 {
            run(&outbox, Command::Close { id: format!("{n:03}") }).await.unwrap();
        }
    }
    check(&outbox).await;
    if fixture.store == Store::Sled {
        let blobs = std::fs::read_dir(fixture.data().join("store/blobs")).unwrap().count();
        assert_eq!(blobs, 0, "sled wrote files that it never syncs");
    }
}

/// More than fit the queue are sent away, with a time to come back.
pub(super) async fn the_queue_is_bounded(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    hooks.hold_at(Step::Begun);
    let mut calls = JoinSet::new();
    let mut spawn = |n: usize| {
        let outbox = outbox.clone();
        calls.spawn(async move { call(&outbox, &format!("r{n}"), deposit("a", 1)).await.map(drop) });
    };
    spawn(0);
    hooks.held().await;
    let capacity = outbox.shared.queue.max_capacity();
    (1..=capacity).for_each(&mut spawn);
    queued(&outbox, capacity).await;
    let fault = run(&outbox, deposit("a", 1)).await.unwrap_err();
    assert_eq!(fault.reason(), Reason::Overloaded);
    hooks.release();
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    let balance = outbox.get(&"a".to_owned()).await.unwrap().unwrap().state.balance;
    assert_eq!(balance, capacity as i64 + 1);
}
