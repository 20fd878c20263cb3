//! Snapshots are fuzzy: rows are read while they change. With the changes behind the position at which it
//! began, applied where they are newer than the row, it is exact.

use std::collections::BTreeMap;

use tributary_proto::feed::v1::{Change, Operation};

use super::{
    bank::{ACCOUNTS, Bank, Command},
    checker::{check, fold, read_log},
    fixture::{Fixture, call, open, run},
};
use crate::outbox::{Outbox, hooks::Step};

pub(super) async fn a_fuzzy_snapshot_is_exact_with_its_tail(fixture: Fixture) {
    let outbox = fixture.open().await;
    for n in 0..20 {
        run(&outbox, open(format!("{n:02}"), 100)).await.unwrap();
    }
    let log = outbox.log();
    for round in 0..5_usize {
        let low = *log.head().borrow();
        let mut rows: BTreeMap<String, Change> = BTreeMap::new();
        let mut after: Option<String> = None;
        for step in 0.. {
            let page = log.scan(ACCOUNTS, after.as_deref(), 3).await.unwrap();
            let head = log.head().borrow().sequence;
            assert!(page.iter().all(|row| row.sequence <= head), "a row is not durable");
            after = page.last().map(|row| row.key.clone());
            rows.extend(page.into_iter().map(|row| (row.key.clone(), row)));
            if after.is_none() {
                break;
            }
            disturb(&outbox, 7 * round + step).await;
        }
        let mut deleted: BTreeMap<String, u64> = BTreeMap::new();
        for record in read_log(&*log, low, 10_000).await {
            let change = record.change;
            let known = rows.get(&change.key).map(|row| row.sequence);
            if known.max(deleted.get(&change.key).copied()) >= Some(change.sequence) {
                continue;
            }
            if change.operation() == Operation::Delete {
                deleted.insert(change.key.clone(), change.sequence);
                rows.remove(&change.key);
            } else {
                rows.insert(change.key.clone(), change);
            }
        }
        let sequences = |rows: &BTreeMap<String, Change>| -> Vec<(String, u64)> {
            rows.iter().map(|(key, row)| (key.clone(), row.sequence)).collect()
        };
        assert_eq!(sequences(&rows), sequences(&fold(&check(&outbox).await)));
    }
}

/// Moves, removes and adds rows on both sides of wherever a snapshot is.
async fn disturb(outbox: &Outbox<Bank>, n: usize) {
    let id = |n: usize| format!("{:02}", n % 20);
    let (from, to) = (id(3 * n), id(3 * n + 7));
    drop(run(outbox, Command::Transfer { from, to, amount: 1 }).await);
    drop(run(outbox, Command::Close { id: id(5 * n) }).await);
    drop(run(outbox, open(id(5 * n + 10), 100)).await);
    drop(run(outbox, open(format!("{:02}x", n % 20), 1)).await);
}

/// While a group is written and not durable, nobody is shown anything of it.
pub(super) async fn nothing_is_shown_before_it_is_durable(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    hooks.hold_at(Step::Applied);
    let writing = tokio::spawn({
        let outbox = outbox.clone();
        async move { call(&outbox, "r", open("b", 0)).await.unwrap() }
    });
    hooks.held().await;
    let log = outbox.log();
    assert_eq!(log.head().borrow().sequence, 1);
    assert_eq!(log.page(0, usize::MAX).await.unwrap().len(), 1);
    assert_eq!(log.page(1, usize::MAX).await.unwrap().len(), 0);

    // Each of these answers without the group, or not before it is durable.
    let command = open("b", 0);
    let id = "b".to_owned();
    let get = async { outbox.get(&id).await.unwrap().is_none() };
    let list = async { outbox.list(ACCOUNTS, None, 9).await.unwrap().len() == 1 };
    let replay = async { super::fixture::replay(&outbox, "r", &command).await.unwrap().is_none() };
    let scan = async { log.scan(ACCOUNTS, None, 9).await.unwrap().len() == 1 };
    let durable = || log.head().borrow().sequence == 2;
    let read = async {
        let without = tokio::join!(get, list, replay, scan);
        assert!(without == (true, true, true, true) || durable(), "{without:?}");
    };
    let release = async {
        // As long as a reader that does not wait would need.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        hooks.release();
    };
    tokio::join!(read, release);
    writing.await.unwrap();
    assert!(outbox.get(&id).await.unwrap().is_some());
}
