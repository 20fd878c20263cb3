//! Over real connections; what waits, waits for a condition, and with a deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::stream::BoxStream;
use tokio::{net::TcpListener, time::timeout};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tributary_proto::feed::v1::{
    AcknowledgeRequest, AcknowledgeResponse, Changes, DescribeRequest, SnapshotBegin, change_feed_server,
    subscribe_response::Frame,
};

use super::*;
use crate::feed::{
    ChangeFeed, FeedOptions, Log,
    memory::MemoryLog,
    replica::Replica,
    served::{self, DEADLINE, Served},
};

fn follow_at(served: &Served, position: Option<Position>) -> Follower {
    let endpoint = served.uri();
    let options = FollowOptions { endpoint, consumer: "test".to_owned(), position, entities: Vec::new() };
    let patience = Patience {
        backoff: Duration::from_millis(1),
        longest_backoff: Duration::from_millis(20),
        ..Patience::default()
    };
    follow(options).with_patience(patience)
}

async fn scripted(log: &MemoryLog, frames: Vec<Frame>) -> Served {
    Served::start(Scripted::new(log, frames), CancellationToken::new(), None).await
}

async fn next(follower: &mut Follower) -> Event {
    timeout(DEADLINE, follower.next()).await.unwrap()
}

/// The first event that `wanted` makes something of; the others are dropped.
async fn until<T>(follower: &mut Follower, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(follower.next().await) {
                return found;
            }
        }
    };
    timeout(DEADLINE, search).await.unwrap()
}

async fn until_at(follower: &mut Follower, replica: &mut Replica, sequence: u64) {
    let search = async {
        while replica.sequence() != Some(sequence) {
            replica.apply(follower.next().await);
        }
    };
    timeout(DEADLINE, search).await.unwrap();
}

async fn until_stopped(follower: &mut Follower) -> (StopReason, String) {
    until(follower, |event| match event {
        Event::Stopped { reason, message } => Some((reason, message)),
        _ => None,
    })
    .await
}

async fn until_disconnected(follower: &mut Follower) -> String {
    until(follower, |event| match event {
        Event::Disconnected { reason } => Some(reason),
        _ => None,
    })
    .await
}

/// `count` commands of one change.
fn filled(epoch: &str, count: usize) -> Arc<MemoryLog> {
    let log = MemoryLog::new(epoch);
    for i in 0..count {
        log.write(&[("accounts", &format!("a{i:04}"), Some("1"))]);
    }
    log
}

#[tokio::test]
async fn catching_up_becomes_live() {
    let log = filled("e1", 500);
    let served = Served::log(&log).await;
    let mut follower = follow_at(&served, Some(log.at(0)));
    let mut replica = Replica::from(log.at(0));
    assert!(matches!(next(&mut follower).await, Event::Described(answer) if answer.epoch == "e1"));
    until_at(&mut follower, &mut replica, 500).await;
    for sequence in 501..520 {
        log.write(&[("notes", "n", Some("x"))]);
        until_at(&mut follower, &mut replica, sequence).await;
    }
    assert_eq!((replica.rows, replica.snapshots), (log.rows(), 0));
}

#[tokio::test]
async fn a_snapshot_under_writes_converges() {
    let log = filled("e1", 2_000);
    let served = Served::log(&log).await;
    let mut follower = follow_at(&served, None);
    let mut replica = Replica::default();
    let mut written = 0;
    // A write for every event until the snapshot is over, all over the keys.
    while replica.sequence().is_none() {
        let key = format!("a{:04}", written * 37 % 2_100);
        let value = (written % 3 != 0).then_some("2");
        log.write(&[("accounts", &key, value), ("notes", &key, Some("n"))]);
        written += 1;
        replica.apply(next(&mut follower).await);
    }
    assert!(replica.exact_from > 2_000, "written to while it was taken");
    until_at(&mut follower, &mut replica, log.durable().sequence).await;
    assert_eq!(replica.rows, log.rows());
}

/// Breaks each stream after some frames.
struct Breaking {
    inner: ChangeFeed,
    frames: AtomicUsize,
}

#[tonic::async_trait]
impl change_feed_server::ChangeFeed for Breaking {
    type SubscribeStream = BoxStream<'static, Result<SubscribeResponse, Status>>;

    async fn describe(
        &self,
        request: Request<DescribeRequest>,
    ) -> Result<Response<DescribeResponse>, Status> {
        self.inner.describe(request).await
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        // Once each; the stream after that lasts.
        let frames = self.frames.swap(usize::MAX, Ordering::Relaxed);
        let mut request = request.into_inner();
        request.max_frame_bytes = 200;
        let stream = self.inner.subscribe(Request::new(request)).await?.into_inner();
        let cut = tokio_stream::once(Err(Status::unavailable("cut")));
        Ok(Response::new(Box::pin(stream.take(frames).chain(cut))))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        self.inner.acknowledge(request).await
    }
}

#[tokio::test]
async fn a_snapshot_goes_on_after_every_cut() {
    let log = filled("e1", 24);
    log.write(&[("notes", "n", Some("1"))]);
    for frames in 0.. {
        let shutdown = CancellationToken::new();
        let breaking = Breaking {
            inner: served::feed(&log, FeedOptions::default(), &shutdown),
            frames: AtomicUsize::new(frames),
        };
        let served = Served::start(breaking, shutdown, None).await;
        let mut follower = follow_at(&served, None);
        let mut replica = Replica::default();
        let (mut rows, mut cut) = (0, false);
        while replica.sequence().is_none() {
            let event = next(&mut follower).await;
            match &event {
                Event::SnapshotRows(received) => rows += received.len(),
                Event::Disconnected { .. } => cut = true,
                _ => {}
            }
            replica.apply(event);
        }
        assert_eq!(replica.rows, log.rows());
        assert_eq!(rows, log.rows().len(), "no row twice, cut after {frames} frames");
        if !cut {
            assert!(frames > 10, "{frames} frames in a snapshot");
            return;
        }
    }
}

#[tokio::test]
async fn it_connects_again_and_goes_on_where_it_was() {
    let log = filled("e1", 10);
    let served = Served::log(&log).await;
    let mut follower = follow_at(&served, Some(log.at(0)));
    let mut replica = Replica::from(log.at(0));
    until_at(&mut follower, &mut replica, 10).await;
    let address = served.stop().await;
    assert!(until_disconnected(&mut follower).await.contains("about to stop"));
    until_disconnected(&mut follower).await;
    log.write(&[("notes", "n", Some("1"))]);
    let _served = Served::log_at(&log, address).await;
    until_at(&mut follower, &mut replica, 11).await;
    assert_eq!(replica.changes.len(), 11, "each change once");
}

#[tokio::test]
async fn an_expired_position_becomes_a_snapshot() {
    let log = filled("e1", 10);
    let position = log.at(2);
    log.prune(5);
    let served = Served::log(&log).await;
    let mut follower = follow_at(&served, Some(position));
    let mut replica = Replica::default();
    until_at(&mut follower, &mut replica, 10).await;
    assert_eq!((replica.snapshots, replica.rows), (1, log.rows()));
}

#[tokio::test]
async fn a_replaced_store_stops_it_until_somebody_accepts_that() {
    let followed = filled("e1", 10);
    let replaced = filled("e2", 3);
    let served = Served::log(&replaced).await;
    let mut follower = follow_at(&served, Some(followed.at(10)));
    assert_eq!(until_stopped(&mut follower).await.0, StopReason::ForeignEpoch);
    assert!(timeout(Duration::from_millis(200), follower.next()).await.is_err(), "silent from then on");
    follower.resnapshot();
    let mut replica = Replica::default();
    until_at(&mut follower, &mut replica, 3).await;
    assert_eq!(replica.rows, replaced.rows());
}

#[tokio::test]
async fn a_store_from_a_backup_stops_it() {
    let followed = filled("e1", 10);
    // The same epoch, fewer changes: a backup. And written since: as many, but others.
    let restored = filled("e1", 5);
    let written = filled("e1", 5);
    for _ in 0..10 {
        written.write(&[("notes", "n", Some("1"))]);
    }
    for log in [restored, written] {
        let served = Served::log(&log).await;
        let mut follower = follow_at(&served, Some(followed.at(10)));
        assert_eq!(until_stopped(&mut follower).await.0, StopReason::HistoryDiverged);
    }
}

/// A service that says what the test wants, right or wrong.
struct Scripted {
    description: DescribeResponse,
    frames: Vec<Frame>,
}

#[tonic::async_trait]
impl change_feed_server::ChangeFeed for Scripted {
    type SubscribeStream = BoxStream<'static, Result<SubscribeResponse, Status>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(self.description.clone()))
    }

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let frames =
            self.frames.clone().into_iter().map(|frame| Ok(SubscribeResponse { frame: Some(frame) }));
        let silence = tokio_stream::pending();
        Ok(Response::new(Box::pin(tokio_stream::iter(frames.collect::<Vec<_>>()).chain(silence))))
    }

    async fn acknowledge(
        &self,
        _: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        Ok(Response::new(AcknowledgeResponse::default()))
    }
}

impl Scripted {
    fn new(log: &MemoryLog, frames: Vec<Frame>) -> Self {
        let description = DescribeResponse {
            service: log.service().to_owned(),
            epoch: log.epoch().to_owned(),
            ..Default::default()
        };
        Self { description, frames }
    }
}

/// The changes behind `after` through `through`.
fn frame(log: &MemoryLog, after: u64, through: u64) -> Changes {
    let changes = log.changes();
    Changes {
        after: Some(log.at(after)),
        through: Some(log.at(through)),
        changes: changes.into_iter().filter(|c| c.sequence > after && c.sequence <= through).collect(),
    }
}

#[tokio::test]
async fn a_wrong_service_stops_it() {
    let log = filled("e1", 3);
    log.write(&[("notes", "n", Some("1")), ("notes", "o", Some("1"))]);
    let foreign = filled("e2", 3);
    let mut wrong = frame(&log, 0, 3);
    wrong.changes[1].key.push('x');
    let table = [
        ("hole", frame(&log, 1, 3), StopReason::Hole),
        ("wrong digest", wrong, StopReason::HistoryDiverged),
        ("cut command", frame(&log, 0, 4), StopReason::Malformed),
        ("foreign epoch", frame(&foreign, 0, 3), StopReason::ForeignEpoch),
        ("no position", Changes::default(), StopReason::Malformed),
    ];
    for (what, changes, reason) in table {
        let served = scripted(&log, vec![Frame::Changes(changes)]).await;
        let mut follower = follow_at(&served, Some(log.at(0)));
        let (stopped, message) = until_stopped(&mut follower).await;
        assert_eq!(stopped, reason, "{what}");
        assert!(message.contains("new snapshot"), "{what} says what to do: {message}");
    }
}

#[tokio::test]
async fn a_frame_above_the_limit_stops_it() {
    let log = MemoryLog::new("e1");
    log.write(&[("notes", "n", Some(&"x".repeat(5 << 20)))]);
    let served = scripted(&log, vec![Frame::Changes(frame(&log, 0, 1))]).await;
    let mut follower = follow_at(&served, Some(log.at(0)));
    let (reason, message) = until_stopped(&mut follower).await;
    assert_eq!(reason, StopReason::Malformed);
    assert!(message.contains("larger"), "{message}");
}

#[tokio::test]
async fn a_silent_stream_is_taken_for_dead() {
    let log = filled("e1", 3);
    let begin = Frame::SnapshotBegin(SnapshotBegin { low: Some(log.at(3)), id: "s".to_owned() });
    let served = scripted(&log, vec![begin]).await;
    let patience = Patience { silence: Duration::from_millis(100), ..Patience::default() };
    let mut follower = follow_at(&served, None).with_patience(patience);
    assert!(until_disconnected(&mut follower).await.contains("nothing was heard"));
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let options = FollowOptions { endpoint, consumer: String::new(), position: None, entities: Vec::new() };
    let patience = Patience { connect: Duration::from_millis(100), ..Patience::default() };
    let mut follower = follow(options).with_patience(patience);
    assert!(until_disconnected(&mut follower).await.contains("longer than"));
}

#[tokio::test]
async fn to_be_cancelled_at_any_time_loses_nothing() {
    let log = filled("e1", 300);
    let served = Served::log(&log).await;
    let mut follower = follow_at(&served, Some(log.at(0)));
    let mut replica = Replica::from(log.at(0));
    let deadline = Instant::now() + DEADLINE;
    while replica.sequence() != Some(300) {
        assert!(Instant::now() < deadline);
        if let Ok(event) = timeout(Duration::from_micros(300), follower.next()).await {
            replica.apply(event);
        }
    }
    assert_eq!(replica.changes.len(), 300);
}
