//! A sync fails: nobody is told a lie, the writer stops, and the next start writes the store anew.

use std::{fs, os::unix::fs::MetadataExt as _};

use tokio::task::JoinSet;

use super::{
    checker::check,
    fixture::{Fixture, Store, call, deposit, open, queued, run},
    hooks::{Sync, copy},
};
use crate::{fault::Reason, outbox::hooks::Step};

/// What the writer leaves for the next start.
const MARKER: &str = "unsynced";

/// Whether the group was made durable or not: its callers cannot know, and the next start finds out.
pub(super) async fn after_a_failed_sync_the_next_start_rewrites(fixture: Fixture) {
    for (round, when) in [Sync::Before, Sync::After].into_iter().enumerate() {
        let hooks = fixture.hooks();
        let outbox = fixture.open_with(&hooks).await;
        let epoch = outbox.log().epoch().to_owned();
        let id = format!("account{round}");
        run(&outbox, open(&id, 0)).await.unwrap();
        let files = store_inode(&fixture);

        hooks.fail_sync(when);
        let request = format!("deposit{round}");
        let fault = call(&outbox, &request, deposit(&id, 1)).await.unwrap_err();
        assert_eq!(fault.reason(), Reason::OutcomeUnknown, "{when:?}");
        assert_eq!(outbox.stopped().await.reason(), Reason::Unavailable);
        let after = run(&outbox, deposit(&id, 1)).await.unwrap_err();
        assert_eq!(after.reason(), Reason::Unavailable, "{when:?}");
        assert_eq!(outbox.get(&id).await.unwrap_err().reason(), Reason::Unavailable);
        assert_eq!(outbox.log().head().borrow().sequence, 2 * round as u64 + 1);
        assert!(fixture.data().join(MARKER).exists());
        drop(outbox);

        let outbox = fixture.open().await;
        assert!(!fixture.data().join(MARKER).exists());
        assert_ne!(store_inode(&fixture), files, "the store was not rewritten");
        assert_eq!(outbox.log().epoch(), epoch);
        check(&outbox).await;
        assert_eq!(call(&outbox, &request, deposit(&id, 1)).await.unwrap().balance, 1, "{when:?}");
        assert_eq!(outbox.get(&id).await.unwrap().unwrap().state.balance, 1, "{when:?}");
        drop(outbox);
        // Nothing is left of the rewrite.
        let names = fs::read_dir(fixture.data()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_str().unwrap().contains(".re")), "{when:?}");
    }
}

fn store_inode(fixture: &Fixture) -> u64 {
    let file = match fixture.store {
        Store::Sqlite => "store.db",
        Store::Sled => "store/db",
        Store::Postgres => unreachable!("its files are not ours"),
    };
    fs::metadata(fixture.data().join(file)).unwrap().ino()
}

/// Everybody in the group is told that nobody knows, everybody behind it that there is no store.
pub(super) async fn a_failed_sync_is_told_to_everybody(fixture: Fixture) {
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
    (1..20).for_each(&mut spawn);
    queued(&outbox, 19).await;
    hooks.fail_sync(Sync::Before);
    hooks.release();
    let reasons = calls.join_all().await.into_iter().map(|answer| answer.unwrap_err().reason());
    let (unknown, unavailable): (Vec<_>, Vec<_>) =
        reasons.partition(|reason| *reason == Reason::OutcomeUnknown);
    assert_eq!((unknown.len(), unavailable.len()), (1, 19));
    assert!(unavailable.iter().all(|reason| *reason == Reason::Unavailable), "{unavailable:?}");
    outbox.stopped().await;
    drop(outbox);

    let outbox = fixture.open().await;
    for n in 0..20 {
        call(&outbox, &format!("r{n}"), deposit("a", 1)).await.unwrap();
    }
    assert_eq!(check(&outbox).await.len(), 21);
}

/// Whatever a rewrite has left when it was cut short, the next start begins again.
pub(super) async fn a_rewrite_that_was_cut_short_begins_again(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 7)).await.unwrap();
    let before = check(&outbox).await;
    drop(outbox);
    let lefts: &[fn(&Fixture)] = match fixture.store {
        Store::Sqlite => {
            &[|_| {}, |fixture| fs::write(fixture.data().join("store.db.rewritten"), "torn").unwrap()]
        }
        Store::Postgres => &[],
        Store::Sled => &[
            |_| {},
            |fixture| {
                fs::create_dir(fixture.data().join("store.rewritten")).unwrap();
                fs::write(fixture.data().join("store.rewritten/db"), "torn").unwrap();
            },
            // Between the two renames, with a copy that nobody vouches for.
            |fixture| {
                fs::rename(fixture.data().join("store"), fixture.data().join("store.replaced")).unwrap();
                fs::create_dir(fixture.data().join("store.rewritten")).unwrap();
            },
            // Behind both, before the original was removed.
            |fixture| copy(&fixture.data().join("store"), &fixture.data().join("store.replaced")).unwrap(),
        ],
    };
    for left in lefts {
        // Opened and gone, so that nobody has the files open.
        drop(fixture.open().await);
        fixture.closed().await;
        fs::write(fixture.data().join(MARKER), "as planned").unwrap();
        left(&fixture);
        let outbox = fixture.open().await;
        assert_eq!(check(&outbox).await, before);
        assert!(!fixture.data().join(MARKER).exists());
    }
}
