//! What must be true of every store at any time, worked out from what can be read of it alone.

use std::collections::BTreeMap;

use tributary_proto::feed::v1::{Change, Operation};

use super::bank::{ACCOUNTS, Bank, balance};
use crate::{
    feed::{self, Log, Mark, Record},
    outbox::Outbox,
    timestamp,
};

/// Reads the whole log, in pages of this size, checking each.
pub(super) async fn read_log(log: &dyn Log, mut after: Mark, max_bytes: usize) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let page = log.page(after.sequence, max_bytes).await.unwrap();
        if page.is_empty() {
            return records;
        }
        after = check_page(after, &page);
        records.extend(page);
    }
}

/// A page follows its position without a hole, in one chain, in order of commit, and ends with a command.
pub(super) fn check_page(mut after: Mark, page: &[Record]) -> Mark {
    for (i, record) in page.iter().enumerate() {
        let change = &record.change;
        assert_eq!(change.sequence, after.sequence + 1, "a hole behind {}", after.sequence);
        assert_eq!(
            record.digest,
            feed::digest(after.digest, change),
            "the chain breaks at {}",
            change.sequence
        );
        let before = i.checked_sub(1).map(|before| &page[before].change);
        if let Some(before) = before {
            let time = |change: &Change| change.commit_time.map(|time| (time.seconds, time.nanos));
            assert!(time(before) <= time(change), "times go back at {}", change.sequence);
        }
        after = Mark { sequence: change.sequence, digest: record.digest };
    }
    assert!(page.last().is_none_or(|last| last.change.last_in_command), "a page ends inside a command");
    after
}

/// The rows that the log leaves, each as its last change.
pub(super) fn fold(records: &[Record]) -> BTreeMap<String, Change> {
    let mut rows = BTreeMap::new();
    for Record { change, .. } in records {
        if change.operation() == Operation::Upsert {
            rows.insert(change.key.clone(), change.clone());
        } else {
            rows.remove(&change.key);
        }
    }
    rows
}

/// What a snapshot says, row by row.
pub(super) async fn scan(log: &dyn Log, limit: usize) -> BTreeMap<String, Change> {
    let mut rows = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = log.scan(ACCOUNTS, after.as_deref(), limit).await.unwrap();
        for row in &page {
            assert!(after.as_ref() < Some(&row.key), "rows are out of order");
            after = Some(row.key.clone());
        }
        let done = page.len() < limit;
        rows.extend(page.into_iter().map(|row| (row.key.clone(), row)));
        if done {
            return rows;
        }
    }
}

/// Without what a snapshot row does not have.
fn as_row(change: &Change) -> Change {
    Change {
        event: String::new(),
        traceparent: String::new(),
        tracestate: String::new(),
        request_id: String::new(),
        last_in_command: false,
        ..change.clone()
    }
}

/// Checks a store that nobody writes to and that has kept its whole log; returns that log.
pub(super) async fn check(outbox: &Outbox<Bank>) -> Vec<Record> {
    let log = outbox.log();
    let records = read_log(&*log, Mark::default(), 64 * 1024).await;
    let head = *log.head().borrow();
    let last = records
        .last()
        .map_or(Mark::default(), |last| Mark { sequence: last.change.sequence, digest: last.digest });
    assert_eq!(head, last, "the head is not the last change");
    assert_eq!(log.digest(head.sequence).await.unwrap(), Some(head.digest));

    let rows = scan(&*log, 7).await;
    let folded: BTreeMap<String, Change> =
        fold(&records).into_iter().map(|(key, change)| (key, as_row(&change))).collect();
    assert_eq!(rows, folded, "the states are not what the log says");

    for (key, stored) in outbox.list(ACCOUNTS, None, usize::MAX >> 1).await.unwrap() {
        let row = &rows[&key];
        assert_eq!((stored.sequence, stored.version), (row.sequence, row.version), "{key}");
        assert_eq!(row.commit_time, Some(timestamp::to_proto(stored.update_time)), "{key}");
        assert_eq!(stored.state.balance, balance(row.value.as_ref().unwrap()), "{key}");
        assert_eq!(outbox.get(&key).await.unwrap(), Some(stored), "{key}");
    }
    check_versions(&records);
    records
}

/// Versions count the changes of a key, and start again after it was removed.
fn check_versions(records: &[Record]) {
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    for Record { change, .. } in records {
        let version = versions.entry(&change.key).or_default();
        *version += 1;
        assert_eq!(change.version, *version, "{} at {}", change.key, change.sequence);
        if change.operation() == Operation::Delete {
            versions.remove(change.key.as_str());
        }
    }
}

/// The sum of all balances.
pub(super) async fn total(outbox: &Outbox<Bank>) -> i64 {
    let rows = outbox.list(ACCOUNTS, None, usize::MAX >> 1).await.unwrap();
    rows.iter().map(|(_, stored)| stored.state.balance).sum()
}
