//! Follows the feed of a service: connects again by itself, checks that no change is missing, repeated or
//! from another history, and never holds more than one frame.

mod connection;
mod patience;
pub(super) mod tracker;

use backon::ExponentialBackoff;
use futures::future::BoxFuture;
use http::Uri;
use tokio::time::{Instant, sleep_until, timeout_at};
use tributary_proto::feed::v1::{Change, DescribeResponse, Position, SubscribeRequest, SubscribeResponse};

pub use self::patience::Patience;

use self::{
    connection::{Connection, Failure, Frames},
    tracker::{Stop, Tracker},
};
use super::source::Source;
use crate::resolve::{self, Resolver};

/// Whom to follow, and from where.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// For example `http://127.0.0.1:50054`. A name is looked up again and again: when the address of the connection
    /// is none of its addresses any more, the follower hangs up, and connects to one that is.
    pub endpoint: Uri,
    /// Who follows; for the logs of the service.
    pub consumer: String,
    /// Through where the consumer has everything; a snapshot is taken if it has nothing yet.
    pub position: Option<Position>,
    /// Only these entities; all when empty.
    pub entities: Vec<String>,
}

/// What a follower has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Connected; what the service publishes now. Comes before anything else of a connection.
    Described(DescribeResponse),
    /// Rows follow. Drop those of a snapshot that did not end: this one starts from nothing.
    SnapshotBegin {
        /// Every row is at least as new.
        low: Position,
    },
    /// Rows of the snapshot, each with the sequence that wrote it.
    SnapshotRows(Vec<Change>),
    /// All rows were given. The changes behind `low` follow: apply those that are newer than their row.
    SnapshotEnd {
        /// No row is newer. Applied through here, the consumer is exact.
        high: Position,
    },
    /// Every change behind `after` through `through`, less those of entities not asked for. Whole
    /// commands; commit `through` together with their effects. The content of a change is not judged.
    Changes {
        /// The `through` before, always.
        after: Position,
        /// Where this leaves the consumer.
        through: Position,
        /// In order of their sequence.
        changes: Vec<Change>,
    },
    /// Where the service stands. Moves no position.
    Progress {
        /// Its last durable position.
        head: Position,
        /// The first position after which it can be followed.
        oldest: Position,
        /// Its clock.
        now: prost_types::Timestamp,
    },
    /// The connection is gone or could not be made; the follower tries again by itself.
    Disconnected {
        /// For people and logs.
        reason: String,
    },
    /// What the service sends cannot be followed. Nothing more comes until [`Follower::resnapshot`] or
    /// [`Follower::take_other_history`].
    Stopped {
        /// Why.
        reason: StopReason,
        /// For people: what was found, and what to do.
        message: String,
    },
}

/// Why a feed cannot be followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Changes are missing or come again.
    Hole,
    /// Another service answers than the one that was followed.
    ForeignService,
    /// The service has another store than the one that was followed: restored from a backup, or begun anew.
    ForeignEpoch,
    /// The same store, but with other changes under the same numbers.
    HistoryDiverged,
    /// Not what the contract allows.
    Malformed,
}

/// Follows one feed.
///
/// Nothing happens but in [`Follower::next`]: a consumer that does not ask leaves the frames with the
/// service, which holds a frame for it, and cuts it off in the end.
pub struct Follower {
    endpoint: Uri,
    resolver: Resolver,
    /// Looked up from the first [`Follower::next`] on, which is inside of a runtime.
    source: Option<Source>,
    consumer: String,
    entities: Vec<String>,
    /// Of a frame at most; 0 leaves it to the service.
    max_frame_bytes: u32,
    patience: Patience,
    tracker: Tracker,
    backoff: ExponentialBackoff,
    state: State,
}

enum State {
    Waiting { until: Instant },
    Describing(BoxFuture<'static, Result<(Connection, DescribeResponse), Failure>>),
    Subscribing(BoxFuture<'static, Result<Frames, Failure>>),
    Streaming { frames: Box<Frames>, silent_at: Instant },
    Stopped,
}

/// Follows as `options` say, from the first [`Follower::next`] on.
pub fn follow(options: FollowOptions) -> Follower {
    let FollowOptions { endpoint, consumer, position, entities } = options;
    let patience = Patience::default();
    Follower {
        endpoint,
        resolver: resolve::system(),
        source: None,
        consumer,
        tracker: Tracker::new(position, &entities),
        entities,
        max_frame_bytes: 0,
        backoff: patience.backoff(),
        patience,
        state: State::Waiting { until: Instant::now() },
    }
}

impl Follower {
    /// With other times than the default ones.
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.backoff = patience.backoff();
        self.patience = patience;
        self
    }

    /// With another way to look the source up.
    #[cfg(test)]
    pub(crate) fn resolved_by(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// With frames of at most so many bytes, unless a single command is larger.
    pub fn with_frames_of(mut self, bytes: u32) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// Gives up what is known and takes a snapshot, of whatever is there: the way on after
    /// [`Event::Stopped`], and only to be taken by who accepts that.
    pub fn resnapshot(&mut self) {
        self.tracker.forget();
        self.begin_anew();
    }

    /// Gives up the history that was followed, and takes a snapshot of the one that the same service has now: the way on
    /// after [`StopReason::ForeignEpoch`] and [`StopReason::HistoryDiverged`].
    pub fn take_other_history(&mut self) {
        self.tracker.give_up_history();
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        self.backoff = self.patience.backoff();
        self.state = State::Waiting { until: Instant::now() };
    }

    /// What comes next. Safe to cancel: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.step().await {
                return event;
            }
        }
    }

    /// Each state is left in the same breath in which what it waited for is there, so that to be dropped
    /// at an await changes nothing.
    async fn step(&mut self) -> Option<Event> {
        match &mut self.state {
            // Waiting => Describing
            State::Waiting { until } => {
                sleep_until(*until).await;
                let begin = || Source::new(self.endpoint.clone(), self.resolver.clone());
                let source = self.source.get_or_insert_with(begin).clone();
                let describing = connection::describe(source, self.patience.connect);
                self.state = State::Describing(Box::pin(describing));
                None
            }
            // Describing => (Subscribing | Waiting | Stopped)
            State::Describing(call) => match call.await {
                Ok((connection, description)) => Some(self.described(connection, description)),
                Err(failure) => Some(self.failed(failure)),
            },
            // Subscribing => (Streaming | Waiting | Stopped)
            State::Subscribing(call) => match call.await {
                Ok(frames) => {
                    self.state = State::Streaming { frames: Box::new(frames), silent_at: self.silent_at() };
                    None
                }
                Err(failure) => Some(self.failed(failure)),
            },
            // Streaming => (Streaming | Waiting | Stopped)
            State::Streaming { frames, silent_at } => match timeout_at(*silent_at, frames.next()).await {
                Ok(Ok(Some(frame))) => self.received(frame),
                Ok(Ok(None)) => Some(self.disconnected("the service ended the stream".to_owned())),
                Ok(Err(failure)) => Some(self.failed(failure)),
                Err(_) => {
                    frames.give_up();
                    let silence = self.patience.silence;
                    Some(self.disconnected(format!("nothing was heard for {silence:?}")))
                }
            },
            // Stopped => Waiting, by `begin_anew`
            State::Stopped => std::future::pending().await,
        }
    }

    fn described(&mut self, connection: Connection, description: DescribeResponse) -> Event {
        if let Err(stop) = self.tracker.described(&description) {
            return self.stopped(stop);
        }
        let request = SubscribeRequest {
            start: Some(self.tracker.start()),
            entities: self.entities.clone(),
            consumer: self.consumer.clone(),
            max_frame_bytes: self.max_frame_bytes,
        };
        let subscribing = connection.subscribe(request, self.patience.connect);
        self.state = State::Subscribing(Box::pin(subscribing));
        Event::Described(description)
    }

    fn received(&mut self, frame: SubscribeResponse) -> Option<Event> {
        self.backoff = self.patience.backoff();
        let silence = self.silent_at();
        if let State::Streaming { silent_at, .. } = &mut self.state {
            *silent_at = silence;
        }
        match self.tracker.accept(frame) {
            Ok(event) => event,
            Err(stop) => Some(self.stopped(stop)),
        }
    }

    fn failed(&mut self, failure: Failure) -> Event {
        match failure {
            Failure::Passing(reason) => self.disconnected(reason),
            Failure::Expired(reason) => {
                // By itself, since it is the same history, and nothing else can help.
                self.tracker.expired();
                self.disconnected(format!("{reason}; taking a snapshot"))
            }
            Failure::Final(stop) => self.stopped(stop),
        }
    }

    fn disconnected(&mut self, reason: String) -> Event {
        let delay = self.backoff.next().unwrap_or(self.patience.longest_backoff);
        self.state = State::Waiting { until: Instant::now() + delay };
        Event::Disconnected { reason }
    }

    fn stopped(&mut self, Stop { reason, message }: Stop) -> Event {
        self.state = State::Stopped;
        Event::Stopped { reason, message }
    }

    fn silent_at(&self) -> Instant {
        Instant::now() + self.patience.silence
    }
}

#[cfg(test)]
mod moves;
#[cfg(test)]
mod tests;
