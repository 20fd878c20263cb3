//! The log as pages: of every size, whole commands, nothing twice and nothing left out.

use std::collections::BTreeSet;

use prost::Message as _;

use super::{
    bank::Command,
    checker::{check, check_page, read_log},
    fixture::{Fixture, call, deposit, open, run, touch},
};
use crate::{
    fault::Reason,
    feed::{Log, Mark, Record},
};

/// Commands of one to five changes, and every size of page at which another one fits.
pub(super) async fn pages_of_every_size_hold_whole_commands(fixture: Fixture) {
    let outbox = fixture.open().await;
    for n in 0..30_usize {
        run(&outbox, touch((0..=n % 5).map(|i| format!("{n}-{i}")))).await.unwrap();
    }
    let all = check(&outbox).await;
    let log = outbox.log();
    let mut sizes: BTreeSet<usize> = [0, usize::MAX].into();
    for start in 0..all.len() {
        let mut size = 0;
        for record in &all[start..all.len().min(start + 12)] {
            size += record.change.encoded_len();
            sizes.extend([size - 1, size, size + 1]);
        }
    }
    for size in sizes {
        assert_eq!(read_log(&*log, Mark::default(), size).await, all, "pages of {size} bytes");
    }
    for start in (0..all.len()).filter(|&n| n == 0 || all[n - 1].change.last_in_command) {
        read_from(&*log, &all, start).await;
    }
    let head = all.last().unwrap().change.sequence;
    assert!(log.page(head, 1).await.unwrap().is_empty());
    assert!(log.page(head + 1, 1).await.unwrap().is_empty());
    assert!(log.page(u64::MAX, 1).await.unwrap().is_empty());
}

/// A page is as large as it may be: the first command whatever its size, and then what fits.
async fn read_from(log: &dyn Log, all: &[Record], start: usize) {
    let (mut bytes, mut whole) = (0, 0);
    for (end, record) in (start + 1..).zip(&all[start..]) {
        bytes += record.change.encoded_len();
        let first = if whole == 0 { end_of_command(all, start) } else { whole };
        for (size, ends) in
            [(bytes - 1, first), (bytes, if record.change.last_in_command { end } else { first })]
        {
            let page = log.page(start as u64, size).await.unwrap();
            assert_eq!(page, all[start..ends], "{size} bytes from {start}");
        }
        if record.change.last_in_command {
            whole = end;
        }
    }
}

/// How far the command reaches that begins here.
fn end_of_command(all: &[Record], start: usize) -> usize {
    let length = all[start..].iter().position(|record| record.change.last_in_command).unwrap();
    start + length + 1
}

/// What is not kept any more is said to be gone, and the oldest position can still be resumed from.
pub(super) async fn retention_moves_the_oldest_position(mut fixture: Fixture) {
    fixture.options.feed_retain = 20;
    let outbox = fixture.open().await;
    let log = outbox.log();
    assert_eq!(log.oldest().await.unwrap(), Mark::default());
    assert_eq!(log.digest(0).await.unwrap(), Some(0));
    run(&outbox, open("a", 0)).await.unwrap();
    let mut marks = vec![Mark::default(), *log.head().borrow()];
    for n in 0..60_usize {
        run(&outbox, touch((0..n % 4).map(|i| format!("{i}")))).await.unwrap();
        let head = *log.head().borrow();
        marks.extend((head != *marks.last().unwrap()).then_some(head));
        let oldest = log.oldest().await.unwrap();
        assert!(marks.contains(&oldest), "the oldest position is inside a command");
        // An excess of a sixteenth, and less than one command of this check.
        let kept = head.sequence - oldest.sequence;
        assert!(head.sequence < 20 || (20..=20 + 2 + 3).contains(&kept), "{kept} are kept");
        check_oldest(&*log, &marks, oldest).await;
    }
    let (oldest, head) = (log.oldest().await.unwrap(), *log.head().borrow());
    drop((log, outbox));
    let outbox = fixture.open().await;
    let log = outbox.log();
    assert_eq!((log.oldest().await.unwrap(), *log.head().borrow()), (oldest, head));
    check_oldest(&*log, &marks, oldest).await;
}

async fn check_oldest(log: &dyn Log, marks: &[Mark], oldest: Mark) {
    for mark in marks {
        let page = log.page(mark.sequence, usize::MAX).await;
        let digest = log.digest(mark.sequence).await.unwrap();
        if mark.sequence < oldest.sequence {
            assert_eq!(page.unwrap_err().reason(), Reason::PositionExpired);
            assert_eq!(digest, None);
        } else {
            assert_eq!(check_page(*mark, &page.unwrap()), *log.head().borrow());
            assert_eq!(digest, Some(mark.digest));
        }
    }
}

/// A store that is to keep nothing still says where it is.
pub(super) async fn keeping_nothing_keeps_the_history(mut fixture: Fixture) {
    fixture.options.feed_retain = 0;
    let outbox = fixture.open().await;
    call(&outbox, "r", open("a", 0)).await.unwrap();
    for _ in 0..5 {
        run(&outbox, deposit("a", 1)).await.unwrap();
    }
    let log = outbox.log();
    let head = *log.head().borrow();
    assert_eq!(head.sequence, 6);
    assert!(log.oldest().await.unwrap().sequence >= 5);
    assert_eq!(log.digest(6).await.unwrap(), Some(head.digest));
    assert_eq!(log.page(0, 1).await.unwrap_err().reason(), Reason::PositionExpired);
}

/// A reader that pruning overtakes is told so; it never sees a hole.
pub(super) async fn a_reader_that_is_overtaken_is_told(mut fixture: Fixture) {
    fixture.options.feed_retain = 30;
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let writer = tokio::spawn({
        let outbox = outbox.clone();
        async move {
            for n in 0..300_usize {
                let ids = (0..=n % 7).map(|i| i.to_string());
                // Large enough for several parts each.
                let command = Command::Touch { ids: ids.collect(), memo: String::new(), padding: 40_000 };
                run(&outbox, command).await.unwrap();
            }
        }
    });
    let log = outbox.log();
    let (mut after, mut overtaken) = (Mark::default(), 0);
    while !writer.is_finished() || after.sequence < log.head().borrow().sequence {
        match log.page(after.sequence, 1).await {
            Ok(page) => after = check_page(after, &page),
            Err(fault) => {
                assert_eq!(fault.reason(), Reason::PositionExpired, "{fault:?}");
                after = log.oldest().await.unwrap();
                overtaken += 1;
            }
        }
        // Now and then behind by more than is kept.
        if after.sequence % 16 == 0 {
            let behind = after.sequence + 40;
            let mut head = log.head();
            tokio::select! {
                _ = head.wait_for(|head| head.sequence > behind) => {}
                () = super::eventually("the writer is done", || writer.is_finished()) => {}
            }
        }
    }
    writer.await.unwrap();
    assert!(overtaken > 0);
}
