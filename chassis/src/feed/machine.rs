//! A state machine of everything that can happen between a log and a subscriber, walked at random:
//! commands with and without a wake-up, late wake-ups, reconnects, frames of every size, pruned history,
//! snapshots under writes. After each walk the subscriber must have exactly what the log has.
//!
//! `COUNT` walks (500), from `SEED` (random); a failure names its seed.

use std::{env, sync::Arc, time::Duration};

use rand::{Rng, SeedableRng as _, rngs::StdRng};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tributary_proto::feed::v1::{
    DescribeResponse, SubscribeRequest, SubscribeResponse, change_feed_server::ChangeFeed as _,
    subscribe_request::Start,
};

use super::{
    ChangeFeed, FeedOptions,
    follow::tracker::Tracker,
    memory::{self, MemoryLog},
    replica::Replica,
    slot,
};
use crate::fault::Reason;

const STEPS: usize = 80;
/// Far more than it takes to catch up with a walk, a change at a time.
const MOST_READS: usize = 10_000;
const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

struct Walk {
    random: StdRng,
    log: Arc<MemoryLog>,
    feed: ChangeFeed,
    tracker: Tracker,
    entities: Vec<String>,
    stream: Option<slot::Reader>,
    replica: Replica,
    seen: Seen,
}

/// What a walk came upon, so that no run passes that never met what it is there for.
#[derive(Debug, Default)]
struct Seen {
    changes: usize,
    unannounced: usize,
    snapshots: usize,
    resumed_snapshots: usize,
    resumed: usize,
    expired: usize,
}

impl Seen {
    fn each(&self) -> [usize; 6] {
        let Self { changes, unannounced, snapshots, resumed_snapshots, resumed, expired } = *self;
        [changes, unannounced, snapshots, resumed_snapshots, resumed, expired]
    }

    fn add(&mut self, other: &Seen) {
        self.changes += other.changes;
        self.unannounced += other.unannounced;
        self.snapshots += other.snapshots;
        self.resumed_snapshots += other.resumed_snapshots;
        self.resumed += other.resumed;
        self.expired += other.expired;
    }
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let log = MemoryLog::new("e1");
        let shutdown = CancellationToken::new();
        let feed = ChangeFeed::new(log.clone(), memory::descriptors(), FeedOptions::default(), shutdown);
        let entities = if random.random() { Vec::new() } else { vec!["notes".to_owned()] };
        let mut tracker = Tracker::new(None, &entities);
        let description =
            DescribeResponse { service: "bank".to_owned(), epoch: "e1".to_owned(), ..Default::default() };
        tracker.described(&description).unwrap();
        let replica = Replica::default();
        Self { random, log, feed, tracker, entities, stream: None, replica, seen: Seen::default() }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..10) {
            0..4 => self.write(),
            4 => self.log.announce(),
            5 => self.stream = None,
            6 => self.prune(),
            _ => {
                for _ in 0..self.random.random_range(1..6) {
                    self.read().await;
                }
            }
        }
    }

    fn write(&mut self) {
        let values = ["", "x", &"y".repeat(300)].map(str::to_owned);
        let changes: Vec<_> = (0..self.random.random_range(1..5))
            .map(|_| {
                let entity = if self.random.random() { "accounts" } else { "notes" };
                let key = KEYS[self.random.random_range(0..KEYS.len())];
                let value = values.get(self.random.random_range(0..4_usize)).map(String::as_str);
                (entity, key, value)
            })
            .collect();
        self.seen.changes += changes.len();
        self.log.append(&changes);
        if self.random.random() {
            self.log.announce();
        } else {
            self.seen.unannounced += 1;
        }
    }

    /// Seldom the whole log, since then every subscriber starts anew.
    fn prune(&mut self) {
        let head = self.log.durable().sequence;
        let oldest = head.saturating_sub(self.random.random_range(0..20));
        if self.random.random_ratio(1, 4) {
            self.log.prune(oldest);
        }
    }

    /// A frame, where there is one before long.
    async fn read(&mut self) {
        if self.stream.is_none() {
            self.connect().await;
        }
        let Some(stream) = &mut self.stream else { return };
        match timeout(Duration::from_millis(10), stream.next()).await {
            Ok(Some(Ok(frame))) => self.receive(frame),
            Ok(Some(Err(status))) => self.end(&status),
            Ok(None) => panic!("the stream ended without a word"),
            Err(_) => {}
        }
    }

    async fn connect(&mut self) {
        let start = self.tracker.start();
        match &start {
            Start::After(_) => self.seen.resumed += 1,
            Start::Snapshot(_) => self.seen.snapshots += 1,
            Start::ResumeSnapshot(_) => self.seen.resumed_snapshots += 1,
        }
        let request = SubscribeRequest {
            start: Some(start),
            entities: self.entities.clone(),
            max_frame_bytes: self.random.random_range(0..3_000),
            ..Default::default()
        };
        match self.feed.subscribe(Request::new(request)).await {
            Ok(stream) => self.stream = Some(stream.into_inner()),
            Err(status) => self.end(&status),
        }
    }

    fn receive(&mut self, frame: SubscribeResponse) {
        if let Some(event) = self.tracker.accept(frame).unwrap() {
            self.replica.apply(event);
        }
    }

    /// Nothing but pruning ends a stream here.
    fn end(&mut self, status: &Status) {
        assert_eq!(Reason::of(status), Some(Reason::PositionExpired), "{status:?}");
        self.seen.expired += 1;
        self.tracker.expired();
        self.stream = None;
    }

    /// Lets the subscriber catch up, and compares.
    async fn finish(&mut self) {
        self.log.announce();
        let head = self.log.durable().sequence;
        for reads in 0.. {
            if self.replica.sequence() == Some(head) {
                break;
            }
            assert!(reads < MOST_READS, "still at {:?} of {head}", self.replica.sequence());
            self.read().await;
        }
        assert!(self.replica.exact_from <= head);
        let wanted = |entity: &String| self.entities.is_empty() || self.entities.contains(entity);
        let rows = self.log.rows().into_iter().filter(|((entity, _), _)| wanted(entity)).collect();
        assert_eq!(self.replica.rows, rows);
        let kept: Vec<_> = self.log.changes().into_iter().filter(|c| wanted(&c.entity)).collect();
        let common = kept.len().min(self.replica.changes.len());
        let tail = |changes: &[_]| changes[changes.len() - common..].to_vec();
        assert_eq!(tail(&self.replica.changes), tail(&kept), "delivered once each, in order");
    }
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_feed_is_contiguous_whatever_happens() {
    let first = setting("SEED").unwrap_or_else(rand::random);
    let count = setting("COUNT").unwrap_or(500);
    let mut seen = Seen::default();
    for seed in (0..count).map(|i| first.wrapping_add(i)) {
        println!("SEED={seed}");
        let mut walk = Walk::new(seed);
        for _ in 0..STEPS {
            walk.step().await;
        }
        walk.finish().await;
        seen.add(&walk.seen);
    }
    println!("{seen:?}");
    assert!(count < 200 || seen.each().iter().all(|&times| times > 0), "{seen:?}");
}
