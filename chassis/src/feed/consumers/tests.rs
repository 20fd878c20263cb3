use std::{
    panic::Location,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::watch, time::timeout};
use tokio_stream::{StreamExt as _, wrappers::WatchStream};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{Code, Request, Response, Status};
use tributary_proto::feed::v1::{
    AcknowledgeRequest, AcknowledgeResponse, DescribeRequest, DescribeResponse, Position, SnapshotStart,
    SubscribeRequest,
    change_feed_server::{self, ChangeFeed as _},
    subscribe_request::Start,
};

use super::*;
use crate::feed::{
    ChangeFeed, FeedOptions, acknowledge,
    memory::MemoryLog,
    served::{DEADLINE, Served, feed},
    slot,
};

/// A feed of three commands, and who is asked about it.
struct Bench {
    log: Arc<MemoryLog>,
    feed: ChangeFeed,
}

impl Bench {
    fn new() -> Self {
        let log = MemoryLog::new("e1");
        let options = FeedOptions { progress_interval: Duration::from_millis(10), ..FeedOptions::default() };
        let feed = feed(&log, options, &CancellationToken::new());
        let bench = Self { log, feed };
        (0..3).for_each(|_| bench.write());
        bench
    }

    fn write(&self) {
        self.log.write(&[("accounts", "a", Some("1"))]);
    }

    async fn subscribe(&self, consumer: &str, start: Start) -> slot::Reader {
        let consumer = consumer.to_owned();
        let request = SubscribeRequest { start: Some(start), consumer, ..Default::default() };
        self.feed.subscribe(Request::new(request)).await.unwrap().into_inner()
    }

    async fn acknowledge(&self, consumer: &str, through: Position) -> Result<(), Fault> {
        let request = AcknowledgeRequest { consumer: consumer.to_owned(), through: Some(through) };
        let answer = self.feed.acknowledge(Request::new(request)).await;
        answer
            .map(drop)
            .map_err(|status| Fault::new(Reason::of(&status).unwrap(), status.message().to_owned()))
    }

    fn lag(&self, consumer: &str) -> Option<Lag> {
        self.feed.consumers().shared().lags().into_iter().find(|lag| lag.consumer == consumer)
    }

    /// Waits until the consumer is so many changes behind.
    #[track_caller]
    fn behind(&self, consumer: &str, changes: u64) -> Pin<Box<dyn Future<Output = Lag> + '_>> {
        let (caller, consumer) = (Location::caller(), consumer.to_owned());
        Box::pin(eventually(caller, move || {
            self.lag(&consumer).filter(|lag| lag.behind.is_some_and(|behind| behind.0 == changes))
        }))
    }
}

async fn eventually<T>(caller: &Location<'_>, mut ask: impl FnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            match ask() {
                Some(found) => return found,
                None => sleep(Duration::from_millis(1)).await,
            }
        }
    };
    timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("in vain, from {caller}"))
}

#[tokio::test]
async fn lag_is_what_was_not_acknowledged_since_it_was_committed() {
    let bench = Bench::new();
    let mut stream = bench.subscribe("reader", Start::After(bench.log.at(1))).await;
    let lag = bench.behind("reader", 2).await;
    assert!(lag.connected);
    bench.acknowledge("reader", bench.log.at(1)).await.unwrap();
    // All of it is read, and none of it is stored.
    let reading = tokio::spawn(async move { while stream.next().await.is_some() {} });
    let second = SystemTime::try_from(bench.log.changes()[1].commit_time.unwrap()).unwrap();
    let is_true = |lag: &Lag| {
        let (_, age) = lag.behind.unwrap();
        !age.is_zero() && age.abs_diff(second.elapsed().unwrap()) < Duration::from_millis(20)
    };
    eventually(Location::caller(), || bench.lag("reader").filter(is_true)).await;
    let before = bench.lag("reader").unwrap().behind.unwrap();
    sleep(Duration::from_millis(30)).await;
    let after = bench.lag("reader").unwrap().behind.unwrap();
    assert!(
        before.0 == after.0 && after.1 >= before.1 + Duration::from_millis(30),
        "it grows: {before:?}, {after:?}"
    );

    bench.acknowledge("reader", bench.log.at(3)).await.unwrap();
    assert_eq!(bench.lag("reader").unwrap().behind, Some((0, Duration::ZERO)));
    // What comes after a while is as old as itself, not as that while.
    bench.write();
    assert!(bench.lag("reader").unwrap().behind.unwrap().1 < Duration::from_millis(20));
    // Gone, and known all the same.
    reading.abort();
    let gone = eventually(Location::caller(), || bench.lag("reader").filter(|lag| !lag.connected)).await;
    assert_eq!(gone.behind.unwrap().0, 1);
    bench.write();
    bench.behind("reader", 2).await;
}

#[tokio::test]
async fn who_acknowledges_nothing_has_what_it_read() {
    let bench = Bench::new();
    let mut stream = bench.subscribe("reader", Start::After(bench.log.at(1))).await;
    bench.behind("reader", 2).await;
    while bench.lag("reader").unwrap().behind.unwrap().0 > 0 {
        timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn nothing_is_said_of_who_takes_its_first_snapshot() {
    let bench = Bench::new();
    let mut stream = bench.subscribe("reader", Start::Snapshot(SnapshotStart {})).await;
    stream.next().await.unwrap().unwrap();
    let lag = bench.lag("reader").unwrap();
    assert_eq!((lag.connected, lag.behind), (true, None));
    bench.acknowledge("reader", bench.log.at(3)).await.unwrap();
    bench.behind("reader", 0).await;
}

#[tokio::test]
async fn what_is_not_of_this_history_is_not_acknowledged() {
    let bench = Bench::new();
    let position = bench.log.at(2);
    let reason = |result: Result<(), Fault>| result.unwrap_err().reason();
    assert_eq!(reason(bench.acknowledge("reader", position.clone()).await), Reason::NotFound);
    let _stream = bench.subscribe("reader", Start::After(bench.log.at(1))).await;
    bench.behind("reader", 2).await;
    let foreign = Position { service: "other".to_owned(), ..position.clone() };
    assert_eq!(reason(bench.acknowledge("reader", foreign).await), Reason::InvalidRequest);
    let nowhere = Position { epoch: String::new(), ..position.clone() };
    assert_eq!(reason(bench.acknowledge("reader", nowhere).await), Reason::InvalidRequest);
    let another = Position { epoch: "e2".to_owned(), ..position.clone() };
    assert_eq!(reason(bench.acknowledge("reader", another).await), Reason::HistoryDiverged);
    let ahead = Position { sequence: 4, ..position.clone() };
    assert_eq!(reason(bench.acknowledge("reader", ahead).await), Reason::HistoryDiverged);
    assert_eq!(bench.lag("reader").unwrap().behind.unwrap().0, 2, "nothing moved");
    let missing = AcknowledgeRequest { consumer: "reader".to_owned(), through: None };
    let status = bench.feed.acknowledge(Request::new(missing)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    // Gone by now, and true all the same: what is waited for is at least as old as what is kept.
    bench.log.prune(3);
    bench.acknowledge("reader", position).await.unwrap();
    bench.write();
    bench.behind("reader", 2).await;
}

#[tokio::test]
async fn only_so_many_are_known_and_who_left_first_is_forgotten_first() {
    let bench = Bench::new();
    let consumers = bench.feed.consumers();
    let name = |i: usize| format!("c{i:03}");
    let mut here: Vec<_> = (0..MOST_CONSUMERS).map(|i| consumers.subscribed(&name(i), Some(1))).collect();
    let one_too_many = consumers.subscribed(&name(900), Some(1));
    assert!(bench.lag(&name(900)).is_none() && bench.lag(&name(0)).is_some());
    drop(one_too_many);
    here.drain(..2);
    let _next = consumers.subscribed(&name(901), Some(1));
    assert!(
        bench.lag(&name(0)).is_none() && bench.lag(&name(1)).is_some() && bench.lag(&name(901)).is_some()
    );
    let _unnamed = consumers.subscribed("", Some(1));
    assert_eq!(consumers.shared().lags().len(), MOST_CONSUMERS);
}

/// A feed that counts what it refuses.
struct Counting(ChangeFeed, Arc<AtomicUsize>);

#[tonic::async_trait]
impl change_feed_server::ChangeFeed for Counting {
    type SubscribeStream = slot::Reader;

    async fn describe(
        &self,
        request: Request<DescribeRequest>,
    ) -> Result<Response<DescribeResponse>, Status> {
        self.0.describe(request).await
    }

    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Result<Response<slot::Reader>, Status> {
        self.0.subscribe(request).await
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        let answer = self.0.acknowledge(request).await;
        self.1.fetch_add(usize::from(answer.is_err()), Ordering::SeqCst);
        answer
    }
}

#[tokio::test]
async fn what_is_refused_is_said_again() {
    let Bench { log, feed } = Bench::new();
    let (consumers, refused) = (feed.consumers().clone(), Arc::new(AtomicUsize::new(0)));
    let served = Served::start(Counting(feed, refused.clone()), CancellationToken::new(), None).await;
    let (applied, positions) = watch::channel(log.at(2));
    let (heads, told) = watch::channel(0);
    let tell = move |_, head| {
        heads.send_replace(head);
    };
    let acknowledging = acknowledge(served.uri(), "reader".to_owned(), WatchStream::new(positions), tell);
    let _acknowledging = AbortOnDropHandle::new(tokio::spawn(acknowledging));
    // Nobody knows it as yet.
    let here = Location::caller();
    eventually(here, || (refused.load(Ordering::SeqCst) > 0).then_some(())).await;
    let _subscribed = consumers.subscribed("reader", Some(1));
    let behind = |changes| consumers.shared().lags()[0].behind.filter(|behind| behind.0 == changes);
    eventually(here, || behind(1)).await;
    eventually(here, || (*told.borrow() == 3).then_some(())).await;
    applied.send(log.at(3)).unwrap();
    eventually(here, || behind(0)).await;
}
