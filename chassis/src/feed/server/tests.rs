use prost::Message as _;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic_types::StatusExt as _;
use tributary_proto::feed::v1::{
    Changes, Position, Progress, SnapshotCursor, SnapshotStart, SubscribeRequest,
    change_feed_server::ChangeFeed as _, subscribe_request::Start, subscribe_response::Frame,
};

use super::*;
use crate::feed::{
    memory::{self, MemoryLog},
    served::DEADLINE,
};

fn feed(log: &Arc<MemoryLog>, options: FeedOptions) -> (ChangeFeed, CancellationToken) {
    let shutdown = CancellationToken::new();
    (ChangeFeed::new(log.clone(), memory::descriptors(), options, shutdown.clone()), shutdown)
}

fn request(start: Start) -> SubscribeRequest {
    SubscribeRequest { start: Some(start), ..Default::default() }
}

async fn subscribe(feed: &ChangeFeed, request: SubscribeRequest) -> Result<slot::Reader, Status> {
    feed.subscribe(Request::new(request)).await.map(Response::into_inner)
}

async fn changes(stream: &mut slot::Reader) -> Changes {
    let search = async {
        loop {
            match stream.next().await.unwrap().unwrap().frame.unwrap() {
                Frame::Changes(changes) => return changes,
                Frame::Progress(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(DEADLINE, search).await.unwrap()
}

async fn progress(stream: &mut slot::Reader) -> Progress {
    match stream.next().await.unwrap().unwrap().frame.unwrap() {
        Frame::Progress(progress) => progress,
        other => panic!("{other:?}"),
    }
}

/// What ends the stream.
async fn end(stream: &mut slot::Reader) -> Status {
    let search = async {
        loop {
            if let Err(status) = stream.next().await.unwrap() {
                return status;
            }
        }
    };
    timeout(DEADLINE, search).await.unwrap()
}

/// Ten changes in commands of one; the first three are gone.
fn pruned() -> Arc<MemoryLog> {
    let log = MemoryLog::new("e1");
    for i in 0..10 {
        log.write(&[("accounts", &format!("a{i}"), Some("1"))]);
    }
    log.prune(3);
    log
}

#[tokio::test]
async fn describe_says_what_is_published() {
    let log = pruned();
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    let answer = feed.describe(Request::new(proto::DescribeRequest {})).await.unwrap().into_inner();
    assert_eq!((answer.service.as_str(), answer.epoch.as_str()), ("bank", "e1"));
    assert_eq!((answer.head, answer.oldest), (Some(log.at(10)), Some(log.at(3))));
    assert_eq!(answer.entities[1].message, "bank.v1.Note");
}

#[tokio::test]
async fn positions_are_checked_before_the_stream_begins() {
    let log = pruned();
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    let at = |change: fn(&mut Position)| {
        let mut position = log.at(5);
        change(&mut position);
        Some(Start::After(position))
    };
    let cursor = |change: fn(&mut SnapshotCursor)| {
        let mut cursor = SnapshotCursor {
            id: "not ours".to_owned(),
            low: Some(log.at(5)),
            entity: "accounts".to_owned(),
            key: "a1".to_owned(),
        };
        change(&mut cursor);
        Some(Start::ResumeSnapshot(cursor))
    };
    let table = [
        ("nothing", None, Reason::InvalidRequest),
        ("service", at(|p| p.service = "shed".to_owned()), Reason::InvalidRequest),
        ("no epoch", at(|p| p.epoch.clear()), Reason::InvalidRequest),
        ("epoch", at(|p| p.epoch = "e0".to_owned()), Reason::HistoryDiverged),
        ("digest", at(|p| p.digest ^= 1), Reason::HistoryDiverged),
        ("ahead", at(|p| p.sequence = 11), Reason::HistoryDiverged),
        ("far ahead", at(|p| p.sequence = u64::MAX), Reason::HistoryDiverged),
        ("below oldest", at(|p| p.sequence = 2), Reason::PositionExpired),
        ("origin", at(|p| p.sequence = 0), Reason::PositionExpired),
        ("no low", cursor(|c| c.low = None), Reason::InvalidRequest),
        ("cursor of another entity", cursor(|c| c.entity = "ghosts".to_owned()), Reason::InvalidRequest),
        ("cursor of another snapshot", cursor(|_| {}), Reason::PositionExpired),
        (
            "cursor of another epoch",
            cursor(|c| c.low.as_mut().unwrap().epoch = "e0".to_owned()),
            Reason::PositionExpired,
        ),
        ("cursor below oldest", cursor(|c| c.low.as_mut().unwrap().sequence = 1), Reason::PositionExpired),
    ];
    for (what, start, reason) in table {
        let request = SubscribeRequest { start, ..Default::default() };
        let status = subscribe(&feed, request).await.unwrap_err();
        assert_eq!(Reason::of(&status), Some(reason), "{what}: {status:?}");
    }
    for sequence in [3, 10] {
        subscribe(&feed, request(Start::After(log.at(sequence)))).await.unwrap();
    }
    let unknown = SubscribeRequest {
        entities: vec!["accounts".to_owned(), "ghosts".to_owned()],
        ..request(Start::After(log.at(5)))
    };
    let status = subscribe(&feed, unknown).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "entities[1]");
}

#[tokio::test(start_paused = true)]
async fn filtered_out_changes_are_covered() {
    let log = MemoryLog::new("e1");
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    let notes = SubscribeRequest { entities: vec!["notes".to_owned()], ..request(Start::After(log.at(0))) };
    let mut stream = subscribe(&feed, notes).await.unwrap();
    log.write(&[("accounts", "a", Some("1"))]);
    let frame = changes(&mut stream).await;
    assert_eq!((frame.through, frame.changes.len()), (Some(log.at(1)), 0));
    log.write(&[("notes", "n", Some("1")), ("accounts", "a", Some("2"))]);
    let frame = changes(&mut stream).await;
    assert_eq!((frame.after, frame.through), (Some(log.at(1)), Some(log.at(3))));
    assert_eq!(frame.changes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn progress_comes_also_when_nothing_happens() {
    let log = pruned();
    let options = FeedOptions { progress_interval: Duration::from_secs(2), ..Default::default() };
    let (feed, _shutdown) = feed(&log, options);
    let mut stream = subscribe(&feed, request(Start::After(log.at(10)))).await.unwrap();
    progress(&mut stream).await;
    for _ in 0..3 {
        let before = Instant::now();
        let progress = progress(&mut stream).await;
        assert_eq!(before.elapsed().as_secs(), 2);
        assert_eq!((progress.head, progress.oldest), (Some(log.at(10)), Some(log.at(3))));
        assert_eq!(progress.through, Some(log.at(10)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_wake_up_delays_and_loses_nothing() {
    let log = MemoryLog::new("e1");
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    let mut stream = subscribe(&feed, request(Start::After(log.at(0)))).await.unwrap();
    progress(&mut stream).await;
    log.append(&[("accounts", "a", Some("1"))]);
    assert_eq!(changes(&mut stream).await.changes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_does_not_read_is_cut_off_with_its_position() {
    let log = MemoryLog::new("e1");
    let stall_timeout = Duration::from_secs(3);
    let (feed, _shutdown) =
        feed(&log, FeedOptions { stall_timeout, max_subscribers: 1, ..Default::default() });
    for i in 0..100 {
        log.write(&[("accounts", &format!("a{i}"), Some(&"x".repeat(1000)))]);
    }
    let slow = SubscribeRequest { max_frame_bytes: 3_000, ..request(Start::After(log.at(0))) };
    let mut stream = subscribe(&feed, slow.clone()).await.unwrap();
    let read = changes(&mut stream).await.through.unwrap();
    sleep(stall_timeout * 2).await;
    let bytes = log.bytes_read.load(std::sync::atomic::Ordering::Relaxed);
    assert!(bytes <= 2 * 3_000, "{bytes} bytes: read before there was room for them");
    // Its place is free as soon as it is cut off.
    subscribe(&feed, slow).await.unwrap();
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(
        (status.code(), Reason::of(&status)),
        (Code::ResourceExhausted, Some(Reason::SubscriberStalled))
    );
    let details = status.get_details_error_info().unwrap();
    assert_eq!(details.metadata["position"], format!("bank/e1/{}", read.sequence));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_that_reads_on_is_not_cut_off() {
    let log = MemoryLog::new("e1");
    for _ in 0..20 {
        log.write(&[("accounts", "a", Some("1"))]);
    }
    let options = FeedOptions { stall_timeout: Duration::from_secs(30), ..Default::default() };
    let (feed, _shutdown) = feed(&log, options);
    let slow = SubscribeRequest { max_frame_bytes: 1, ..request(Start::After(log.at(0))) };
    let mut stream = subscribe(&feed, slow).await.unwrap();
    while changes(&mut stream).await.through != Some(log.at(20)) {
        sleep(Duration::from_secs(29)).await;
    }
}

#[tokio::test]
async fn a_cursor_holds_for_the_entities_that_it_was_made_for() {
    let log = pruned();
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    let everything = request(Start::Snapshot(SnapshotStart {}));
    let mut stream = subscribe(&feed, everything).await.unwrap();
    let cursor = loop {
        if let Frame::SnapshotRows(rows) = stream.next().await.unwrap().unwrap().frame.unwrap() {
            break rows.cursor.unwrap();
        }
    };
    let again = request(Start::ResumeSnapshot(cursor));
    subscribe(&feed, again.clone()).await.unwrap();
    let fewer = SubscribeRequest { entities: vec!["accounts".to_owned()], ..again };
    let status = subscribe(&feed, fewer).await.unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::PositionExpired));
}

#[tokio::test]
async fn a_subscriber_beyond_the_cap_is_refused_until_another_leaves() {
    let log = pruned();
    let (feed, _shutdown) = feed(&log, FeedOptions { max_subscribers: 2, ..Default::default() });
    let after = request(Start::After(log.at(5)));
    let first = subscribe(&feed, after.clone()).await.unwrap();
    let _second = subscribe(&feed, after.clone()).await.unwrap();
    let status = subscribe(&feed, after.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some());
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(10);
    while subscribe(&feed, after.clone()).await.is_err() {
        assert!(Instant::now() < deadline, "the place of who left was never freed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_were_cut_off_and_stay_are_bounded() {
    let log = pruned();
    let options = FeedOptions { max_subscribers: 2, ..Default::default() };
    let patience = options.stall_timeout * 2;
    let (feed, _shutdown) = feed(&log, options);
    let after = request(Start::After(log.at(5)));
    let mut unread = Vec::new();
    for _ in 0..2 * STREAMS_PER_PLACE {
        unread.push(subscribe(&feed, after.clone()).await.unwrap());
        sleep(patience).await;
    }
    let status = subscribe(&feed, after.clone()).await.unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::Overloaded));
    unread.pop();
    subscribe(&feed, after).await.unwrap();
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let log = pruned();
    let (feed, shutdown) = feed(&log, FeedOptions::default());
    let after = request(Start::After(log.at(5)));
    let mut stream = subscribe(&feed, after.clone()).await.unwrap();
    shutdown.cancel();
    assert_eq!(Reason::of(&end(&mut stream).await), Some(Reason::Draining));
    assert_eq!(Reason::of(&subscribe(&feed, after).await.unwrap_err()), Some(Reason::Draining));
}

#[tokio::test(start_paused = true)]
async fn who_falls_behind_what_is_kept_is_told() {
    let log = MemoryLog::new("e1");
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    let mut stream = subscribe(&feed, request(Start::After(log.at(0)))).await.unwrap();
    progress(&mut stream).await;
    for _ in 0..4 {
        log.append(&[("accounts", "a", Some("1"))]);
    }
    log.prune(2);
    log.announce();
    assert_eq!(Reason::of(&end(&mut stream).await), Some(Reason::PositionExpired));
}

#[tokio::test(start_paused = true)]
async fn frames_keep_their_bound() {
    let log = MemoryLog::new("e1");
    for i in 0..40 {
        log.write(&[("accounts", &format!("a{i:02}"), Some(&"x".repeat(60_000)))]);
    }
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    for start in [Start::After(log.at(0)), Start::Snapshot(SnapshotStart {})] {
        for max_frame_bytes in [0, 100_000, 1 << 20, u32::MAX] {
            let request = SubscribeRequest { max_frame_bytes, ..request(start.clone()) };
            let bound = if max_frame_bytes == 100_000 { 100_000 } else { 1 << 20 };
            let mut stream = subscribe(&feed, request).await.unwrap();
            let mut largest = 0;
            loop {
                let frame = stream.next().await.unwrap().unwrap();
                largest = largest.max(frame.encoded_len());
                match frame.frame.unwrap() {
                    Frame::SnapshotEnd(_) => break,
                    Frame::Changes(changes) if changes.through == Some(log.at(40)) => break,
                    _ => {}
                }
            }
            assert!(largest <= bound, "{largest} bytes in a frame of at most {bound}");
            assert!(largest > bound / 2, "{largest} bytes in a frame of {bound}: frames are filled");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_is_not_shown_before_it_is_durable() {
    let log = MemoryLog::new("e1");
    log.write(&[("accounts", "a", Some("1"))]);
    let (feed, _shutdown) = feed(&log, FeedOptions::default());
    let mut stream = subscribe(&feed, request(Start::Snapshot(SnapshotStart {}))).await.unwrap();
    log.append(&[("accounts", "a", Some("2"))]);
    let frame = stream.next().await.unwrap().unwrap().frame.unwrap();
    assert!(matches!(frame, Frame::SnapshotBegin(begin) if begin.low == Some(log.at(1))));
    let pending = timeout(Duration::from_secs(60), stream.next()).await;
    assert!(pending.is_err(), "{pending:?}");
    log.announce();
    let frame = stream.next().await.unwrap().unwrap().frame.unwrap();
    assert!(matches!(frame, Frame::SnapshotRows(rows) if rows.rows[0].sequence == 2));
}
