use super::*;
use crate::feed::{Log as _, Mark, memory::MemoryLog, server};

/// Three commands of one, two and one changes.
fn log() -> std::sync::Arc<MemoryLog> {
    let log = MemoryLog::new("e1");
    log.write(&[("accounts", "a", Some("1"))]);
    log.write(&[("accounts", "b", Some("2")), ("notes", "n", Some("3"))]);
    log.write(&[("accounts", "a", None)]);
    log
}

fn description(epoch: &str) -> DescribeResponse {
    DescribeResponse { service: "bank".to_owned(), epoch: epoch.to_owned(), ..Default::default() }
}

/// The frame that a correct server would send.
fn frame(log: &MemoryLog, after: u64, through: u64) -> Changes {
    let changes = log.changes();
    Changes {
        after: Some(log.at(after)),
        through: Some(log.at(through)),
        changes: changes.into_iter().filter(|c| c.sequence > after && c.sequence <= through).collect(),
    }
}

fn tracker(log: &MemoryLog, at: u64, entities: &[&str]) -> Tracker {
    let entities: Vec<_> = entities.iter().map(|&entity| entity.to_owned()).collect();
    let mut tracker = Tracker::new(Some(log.at(at)), &entities);
    tracker.described(&description(log.epoch())).unwrap();
    tracker
}

fn accept(tracker: &mut Tracker, frame: Frame) -> Checked<Option<Event>> {
    tracker.accept(SubscribeResponse { frame: Some(frame) })
}

fn reason(result: Checked<Option<Event>>) -> StopReason {
    result.unwrap_err().reason
}

#[test]
fn correct_frames_lead_on() {
    let log = log();
    let mut tracker = tracker(&log, 0, &[]);
    for (after, through) in [(0, 1), (1, 3), (3, 3), (3, 4)] {
        accept(&mut tracker, Frame::Changes(frame(&log, after, through))).unwrap();
    }
    assert_eq!(tracker.start(), Start::After(log.at(4)));
}

#[test]
fn what_does_not_lead_on_is_named() {
    type Damage = fn(&MemoryLog, &mut Changes);
    let table: [(&str, Damage, StopReason); 12] = [
        ("a change is missing", |_, f| drop(f.changes.remove(0)), StopReason::Hole),
        ("the last command is missing", |_, f| drop(f.changes.pop()), StopReason::Hole),
        ("a frame is missing", |log, f| *f = frame(log, 3, 4), StopReason::Hole),
        ("a frame comes again", |log, f| *f = frame(log, 0, 1), StopReason::Hole),
        ("a change comes twice", |_, f| f.changes.insert(0, f.changes[0].clone()), StopReason::Hole),
        ("a value is another one", |_, f| f.changes[0].value = None, StopReason::HistoryDiverged),
        ("a key is another one", |_, f| f.changes[1].key.push('x'), StopReason::HistoryDiverged),
        (
            "the digest before differs",
            |_, f| f.after.as_mut().unwrap().digest ^= 1,
            StopReason::HistoryDiverged,
        ),
        (
            "the digest behind differs",
            |_, f| f.through.as_mut().unwrap().digest ^= 1,
            StopReason::HistoryDiverged,
        ),
        ("another epoch", |_, f| f.after.as_mut().unwrap().epoch = "e2".to_owned(), StopReason::ForeignEpoch),
        ("no position", |_, f| f.through = None, StopReason::Malformed),
        ("a command is cut", |log, f| *f = frame(log, 1, 2), StopReason::Malformed),
    ];
    let log = log();
    for (what, damage, expected) in table {
        let mut changes = frame(&log, 1, 3);
        damage(&log, &mut changes);
        assert_eq!(reason(accept(&mut tracker(&log, 1, &[]), Frame::Changes(changes))), expected, "{what}");
    }
}

#[test]
fn the_message_says_what_was_found_and_what_to_do() {
    let log = log();
    let stop = accept(&mut tracker(&log, 1, &[]), Frame::Changes(frame(&log, 3, 4))).unwrap_err();
    assert!(stop.message.contains("bank/e1/1") && stop.message.contains("bank/e1/3"), "{}", stop.message);
    assert!(stop.message.contains("new snapshot"), "{}", stop.message);
}

#[test]
fn filtered_frames_cover_ranges() {
    let log = log();
    let mut filtered = frame(&log, 0, 3);
    filtered.changes.retain(|change| change.entity == "notes");
    let mut tracker = tracker(&log, 0, &["notes"]);
    let mut late = filtered.clone();
    late.changes[0].sequence = 4;
    assert_eq!(reason(accept(&mut tracker, Frame::Changes(late))), StopReason::Hole);
    let mut unasked = filtered.clone();
    unasked.changes[0].entity = "accounts".to_owned();
    assert_eq!(reason(accept(&mut tracker, Frame::Changes(unasked))), StopReason::Malformed);
    accept(&mut tracker, Frame::Changes(filtered)).unwrap();
    let empty = Changes { changes: Vec::new(), ..frame(&log, 3, 4) };
    accept(&mut tracker, Frame::Changes(empty)).unwrap();
    assert_eq!(tracker.start(), Start::After(log.at(4)));
}

#[test]
fn progress_moves_no_position() {
    let log = log();
    let progress = |head: u64, through: u64| Progress {
        head: Some(log.at(head)),
        through: Some(log.at(through)),
        oldest: Some(log.at(0)),
        now: Some(prost_types::Timestamp::default()),
    };
    let mut tracker = tracker(&log, 1, &[]);
    accept(&mut tracker, Frame::Progress(progress(4, 1))).unwrap();
    assert_eq!(tracker.start(), Start::After(log.at(1)));
    assert_eq!(reason(accept(&mut tracker, Frame::Progress(progress(4, 3)))), StopReason::Hole);
    assert_eq!(reason(accept(&mut tracker, Frame::Progress(progress(0, 1)))), StopReason::Malformed);
}

#[test]
fn a_foreign_epoch_is_seen_before_anything_is_sent() {
    let mut tracker = tracker(&log(), 1, &[]);
    assert_eq!(tracker.described(&description("e2")).unwrap_err().reason, StopReason::ForeignEpoch);
    // Another history is accepted of the same service alone.
    tracker.give_up_history();
    let other = DescribeResponse { service: "other".to_owned(), ..description("e2") };
    assert_eq!(tracker.described(&other).unwrap_err().reason, StopReason::ForeignService);
    tracker.described(&description("e2")).unwrap();
    tracker.forget();
    tracker.described(&other).unwrap();
    tracker.forget();
    tracker.described(&description("e2")).unwrap();
    assert_eq!(tracker.start(), Start::Snapshot(SnapshotStart {}));
}

/// Rows of `log` as one frame.
fn rows(log: &MemoryLog, id: &str) -> SnapshotRows {
    let rows: Vec<_> = log.rows().into_values().collect();
    let last = rows.last().unwrap();
    let cursor = SnapshotCursor {
        id: id.to_owned(),
        low: Some(log.at(1)),
        entity: last.entity.clone(),
        key: last.key.clone(),
    };
    SnapshotRows { cursor: Some(cursor), rows }
}

fn begin(log: &MemoryLog, id: &str) -> Frame {
    Frame::SnapshotBegin(SnapshotBegin { low: Some(log.at(1)), id: id.to_owned() })
}

fn in_snapshot(log: &MemoryLog) -> Tracker {
    let mut tracker = Tracker::new(None, &[]);
    tracker.described(&description("e1")).unwrap();
    accept(&mut tracker, begin(log, "s1")).unwrap();
    tracker
}

#[test]
fn a_snapshot_resumes_behind_its_last_row() {
    let log = log();
    let mut tracker = in_snapshot(&log);
    assert_eq!(tracker.start(), Start::Snapshot(SnapshotStart {}), "nothing to resume behind");
    accept(&mut tracker, begin(&log, "s1")).unwrap();
    let rows = rows(&log, "s1");
    accept(&mut tracker, Frame::SnapshotRows(rows.clone())).unwrap();
    assert_eq!(tracker.start(), Start::ResumeSnapshot(rows.cursor.clone().unwrap()));
    let silent = accept(&mut tracker, begin(&log, "s1")).unwrap();
    assert_eq!(silent, None, "the consumer goes on with the rows that it has");
    accept(&mut tracker, Frame::SnapshotEnd(SnapshotEnd { high: Some(log.at(4)) })).unwrap();
    assert_eq!(tracker.start(), Start::After(log.at(1)));
    accept(&mut tracker, Frame::Changes(frame(&log, 1, 4))).unwrap();
}

#[test]
fn a_snapshot_out_of_order_is_malformed() {
    let log = log();
    let end = |high: u64| Frame::SnapshotEnd(SnapshotEnd { high: Some(log.at(high)) });
    let rows = rows(&log, "s1");
    let mut deleted = rows.clone();
    deleted.rows[0].operation = Operation::Delete.into();
    let mut elsewhere = rows.clone();
    elsewhere.cursor.as_mut().unwrap().key = "zzz".to_owned();
    let wrong = [
        Frame::Changes(frame(&log, 1, 3)),
        begin(&log, "s1"),
        begin(&log, "s2"),
        end(0),
        Frame::SnapshotRows(SnapshotRows { rows: Vec::new(), ..rows.clone() }),
        Frame::SnapshotRows(SnapshotRows { cursor: None, ..rows.clone() }),
        Frame::SnapshotRows(deleted),
        Frame::SnapshotRows(elsewhere),
    ];
    for frame in wrong {
        let what = format!("{frame:?}");
        assert_eq!(reason(accept(&mut in_snapshot(&log), frame)), StopReason::Malformed, "{what}");
    }
    let mut tracker = in_snapshot(&log);
    accept(&mut tracker, Frame::SnapshotRows(rows.clone())).unwrap();
    assert_eq!(reason(accept(&mut tracker, end(1))), StopReason::Malformed, "a row is newer than high");
    assert_eq!(reason(tracker.accept(SubscribeResponse { frame: None })), StopReason::Malformed);
    let outside = accept(&mut super::tests::tracker(&log, 1, &[]), Frame::SnapshotRows(rows));
    assert_eq!(reason(outside), StopReason::Malformed);
}

#[test]
fn a_mark_at_zero_is_where_histories_begin() {
    let log = log();
    assert_eq!(log.at(0), server::position(&*log, Mark::default()));
}
